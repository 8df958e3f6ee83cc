from django.urls import path

from readiness.datasets import views

app_name = "datasets"

urlpatterns = [
    path("", views.dataset_list, name="list"),
    path("import/", views.new_import, name="new"),
    path("import/<str:token>/", views.preview, name="preview"),
    path("<slug:dataset_slug>/", views.dataset_detail, name="detail"),
    path("<slug:dataset_slug>/delete/", views.delete, name="delete"),
    path("<slug:dataset_slug>/v<int:number>/", views.version_detail, name="version"),
    path("<slug:dataset_slug>/v<int:number>/examples/<int:example_id>/", views.example, name="example"),
]
