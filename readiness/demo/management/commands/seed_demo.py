"""``manage.py seed_demo``: the demo project, measured on the simulated AI service. Seconds, once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from readiness.demo.services import NotSeededError, seed


class Command(BaseCommand):
    help = "Make the demo project with a benchmark, spot-checks and reviews; does nothing the second time."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, or say why not in one line."""
        try:
            seeded = seed()
        except NotSeededError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("The demo is ready." if seeded else "The demo is there already.")
