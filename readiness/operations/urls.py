from django.urls import path

from readiness.operations import views

app_name = "operations"

urlpatterns = [
    path("p/<slug:slug>/limits/", views.limits, name="limits"),
    path("p/<slug:slug>/limits/live/", views.limits_live, name="limits_live"),
    path("p/<slug:slug>/limits/<int:deployment_id>/resume/", views.resume, name="resume"),
    path("tiers/", views.tiers, name="tiers"),
    path("tiers/new/", views.new_tier, name="new_tier"),
    path("tiers/<slug:tier_slug>/", views.tier, name="tier"),
]
