"""``manage.py run_schedule readiness.schedule``: put periodic jobs into their queues until stopped."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from readiness.lib.scheduler import QueueCronScheduler


class Command(BaseCommand):
    """Runs once per installation: a second one would enqueue every periodic job twice."""

    help = "Puts the periodic jobs of a schedule module into their queues."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("schedule", help="dotted path of the module that registers the jobs")

    def handle(self, *args: Any, **options: Any) -> None:
        scheduler = QueueCronScheduler()
        scheduler.load_config_from_file(options["schedule"])
        scheduler.start()  # type: ignore[no-untyped-call]  # RQ has no annotations here
