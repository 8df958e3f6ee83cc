from django.apps import AppConfig


class ChecklistConfig(AppConfig):
    name = "readiness.checklist"
    label = "checklist"
