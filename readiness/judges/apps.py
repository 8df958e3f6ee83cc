from django.apps import AppConfig


class JudgesConfig(AppConfig):
    name = "readiness.judges"
    label = "judges"
