from django.apps import AppConfig


class TelemetryConfig(AppConfig):
    name = "readiness.telemetry"
    label = "telemetry"
