from django.urls import path

from readiness.quality import views

app_name = "quality"

urlpatterns = [
    path("", views.spot_checks, name="spot_checks"),
    path("run/", views.run_now, name="run"),
    path("progress/", views.progress, name="progress"),
    path("policy/", views.policy, name="policy"),
    path("chart/", views.chart, name="chart"),
]
