from django.urls import path

from readiness.checklist import views

app_name = "checklist"

urlpatterns = [
    path("", views.overview, name="overview"),
    path("step/<int:number>/", views.step, name="step"),
    path("criteria/<str:criterion_id>/", views.criterion, name="criterion"),
    path("criteria/<str:criterion_id>/attest/", views.attest_criterion, name="attest"),
    path("criteria/<str:criterion_id>/comment/", views.comment_criterion, name="comment"),
    path("attestations/<int:attestation_id>/withdraw/", views.withdraw_attestation, name="withdraw"),
    path("target/", views.set_project_target, name="target"),
    path("checklist/last-day/", views.last_day, name="last_day"),
    path("checklist/nav/", views.nav, name="nav"),
    path("checklist/badge/", views.badge, name="badge"),
]
