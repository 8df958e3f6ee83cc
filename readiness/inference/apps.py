from django.apps import AppConfig


class InferenceConfig(AppConfig):
    name = "readiness.inference"
    label = "inference"
