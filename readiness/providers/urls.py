from django.urls import path

from readiness.providers import views

app_name = "providers"

urlpatterns = [
    path("p/<slug:slug>/providers/", views.provider_list, name="list"),
    path("p/<slug:slug>/providers/accounts/new/", views.new_account, name="new_account"),
    path("p/<slug:slug>/providers/accounts/<int:account_id>/", views.edit_account, name="account"),
    path("p/<slug:slug>/providers/accounts/<int:account_id>/test/", views.test_account, name="test"),
    path(
        "p/<slug:slug>/providers/accounts/<int:account_id>/delete/",
        views.remove_account,
        name="delete_account",
    ),
    path(
        "p/<slug:slug>/providers/accounts/<int:account_id>/deployments/new/",
        views.new_deployment,
        name="new_deployment",
    ),
    path(
        "p/<slug:slug>/providers/deployments/<int:deployment_id>/", views.edit_deployment, name="deployment"
    ),
    path(
        "p/<slug:slug>/providers/deployments/<int:deployment_id>/delete/",
        views.remove_deployment,
        name="delete_deployment",
    ),
]
