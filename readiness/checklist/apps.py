from django.apps import AppConfig


class ChecklistConfig(AppConfig):
    name = "readiness.checklist"
    label = "checklist"

    def ready(self) -> None:
        """Registers every producer, which the catalogue is checked against."""
        from readiness.checklist import criteria  # noqa: F401
