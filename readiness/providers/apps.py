from django.apps import AppConfig


class ProvidersConfig(AppConfig):
    name = "readiness.providers"
    label = "providers"
