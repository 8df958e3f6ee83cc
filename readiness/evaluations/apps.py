from django.apps import AppConfig


class EvaluationsConfig(AppConfig):
    name = "readiness.evaluations"
    label = "evaluations"
