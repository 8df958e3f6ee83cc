from django.apps import AppConfig


class PromptsConfig(AppConfig):
    name = "readiness.prompts"
    label = "prompts"
