from django.apps import AppConfig


class OperationsConfig(AppConfig):
    name = "readiness.operations"
    label = "operations"
