"""``manage.py record_usage``: the process that turns usage events into request records and rollups."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from readiness.lib.redis import sync_redis
from readiness.telemetry.recorder import Recorder


class Command(BaseCommand):
    """Ends after the batch in hand on SIGTERM or SIGINT."""

    help = "Records usage events until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        Recorder(sync_redis()).run(stopping.is_set)
