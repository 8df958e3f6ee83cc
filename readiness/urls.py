"""All routes. Everything about a project lives under ``p/<slug>/``."""

from django.contrib import admin
from django.urls import include, path

from readiness.accounts.views import health

urlpatterns = [
    path("health/", health, name="health"),
    path("admin/", admin.site.urls),
    path("accounts/", include("readiness.accounts.urls")),
    path("", include("readiness.projects.urls")),
    path("", include("readiness.providers.urls")),
    path("", include("readiness.operations.urls")),
    path("p/<slug:slug>/datasets/", include("readiness.datasets.urls")),
    path("p/<slug:slug>/prompts/", include("readiness.prompts.urls")),
    path("p/<slug:slug>/benchmarks/", include("readiness.benchmarks.urls")),
    path("p/<slug:slug>/reviews/", include("readiness.reviews.urls")),
    path("p/<slug:slug>/quality/", include("readiness.quality.urls")),
    path("p/<slug:slug>/traffic/", include("readiness.telemetry.urls")),
    path("p/<slug:slug>/alerts/", include("readiness.alerts.urls")),
    path("p/<slug:slug>/", include("readiness.checklist.urls")),
]

handler403 = "readiness.accounts.views.forbidden"
handler404 = "readiness.accounts.views.not_found"
handler500 = "readiness.accounts.views.server_error"
