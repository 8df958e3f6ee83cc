"""``manage.py seed_demo``: the demo project, measured on the simulated AI service. Seconds, once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from readiness.demo.services import NotSeededError, is_seeded, seed


class Command(BaseCommand):
    help = "Make the demo project with a benchmark, spot-checks and reviews; does nothing the second time."

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed, or say why not in one line."""
        if is_seeded():
            return
        self.stdout.write(
            "Measuring the demo on the simulated AI service: about 1,100 calls, half a minute …"
        )
        try:
            seed()
        except NotSeededError as error:
            raise CommandError(str(error)) from error
