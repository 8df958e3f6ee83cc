from django.apps import AppConfig


class LimitsConfig(AppConfig):
    name = "readiness.limits"
    label = "limits"
