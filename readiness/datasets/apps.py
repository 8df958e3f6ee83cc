from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "readiness.datasets"
    label = "datasets"
