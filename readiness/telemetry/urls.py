from django.urls import path

from readiness.telemetry import views

app_name = "telemetry"

urlpatterns = [path("", views.traffic_page, name="traffic")]
