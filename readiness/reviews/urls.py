from django.urls import path, re_path

from readiness.reviews import views

app_name = "reviews"

urlpatterns = [
    path("", views.queue, name="queue"),
    path("items/<int:item_id>/", views.item_page, name="item"),
    path("items/<int:item_id>/decide/", views.decide_item, name="decide"),
    path("items/<int:item_id>/skip/", views.skip_item, name="skip"),
    path("items/<int:item_id>/renew/", views.renew_lease, name="renew"),
    path("decisions/<int:decision_id>/undo/", views.undo_decision, name="undo"),
    path("skipped/restore/", views.restore, name="restore"),
    path("history/", views.history, name="history"),
    re_path(r"^decisions\.(?P<extension>csv|jsonl)$", views.export, name="export"),
]
