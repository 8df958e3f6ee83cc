from django.urls import path

from readiness.operations import allowance_views, drill_views, preview_views, tier_views, views

app_name = "operations"

_OVERRIDES = "tiers/<slug:tier_slug>/overrides/"
_OF_PROJECT = "p/<slug:slug>/limits/allowances/"
_DRILLS = "p/<slug:slug>/limits/drills/"

urlpatterns = [
    path("p/<slug:slug>/limits/", views.limits, name="limits"),
    path("p/<slug:slug>/limits/live/", views.limits_live, name="limits_live"),
    path("p/<slug:slug>/limits/<int:deployment_id>/history/", views.history, name="history"),
    path("p/<slug:slug>/limits/<int:deployment_id>/resume/", views.resume, name="resume"),
    path(_DRILLS, drill_views.drills, name="drills"),
    path(f"{_DRILLS}<slug:name>/start/", drill_views.start, name="start_drill"),
    path(f"{_DRILLS}<int:report_id>/", drill_views.drill, name="drill"),
    path(f"{_DRILLS}<int:report_id>/progress/", drill_views.drill_progress, name="drill_progress"),
    path(f"{_DRILLS}<int:report_id>/cancel/", drill_views.cancel, name="cancel_drill"),
    path("tiers/", tier_views.tiers, name="tiers"),
    path("tiers/new/", tier_views.new_tier, name="new_tier"),
    path("tiers/<slug:tier_slug>/", tier_views.tier, name="tier"),
    path(f"{_OVERRIDES}new/", tier_views.new_override, name="new_override"),
    path(f"{_OVERRIDES}<int:override_id>/", tier_views.override, name="override"),
    path(f"{_OVERRIDES}<int:override_id>/remove/", tier_views.remove_override, name="remove_override"),
    path("previews/<int:preview_id>/", preview_views.preview, name="preview"),
    path("previews/<int:preview_id>/progress/", preview_views.preview_progress, name="preview_progress"),
    path("previews/<int:preview_id>/cancel/", preview_views.cancel_preview_view, name="cancel_preview"),
    path("previews/<int:preview_id>/again/", preview_views.repeat_preview, name="repeat_preview"),
    path("previews/<int:preview_id>/trace/", preview_views.preview_trace, name="preview_trace"),
    path("previews/<int:preview_id>/save/", preview_views.put_preview_into_force, name="save_preview"),
    path("allowances/", allowance_views.allowances, name="allowances"),
    path("allowances/new/", allowance_views.new_allowance, name="new_allowance"),
    path("allowances/<int:allowance_id>/", allowance_views.allowance, name="allowance"),
    path("allowances/<int:allowance_id>/remove/", allowance_views.remove_allowance, name="remove_allowance"),
    path(_OF_PROJECT, allowance_views.allowances, name="project_allowances"),
    path(f"{_OF_PROJECT}new/", allowance_views.new_allowance, name="new_project_allowance"),
    path(f"{_OF_PROJECT}<int:allowance_id>/", allowance_views.allowance, name="project_allowance"),
    path(
        f"{_OF_PROJECT}<int:allowance_id>/remove/",
        allowance_views.remove_allowance,
        name="remove_project_allowance",
    ),
]
