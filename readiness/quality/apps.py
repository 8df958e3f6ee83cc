from django.apps import AppConfig


class QualityConfig(AppConfig):
    name = "readiness.quality"
    label = "quality"
