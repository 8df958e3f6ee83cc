"""``manage.py record_usage``: the process that turns usage events into request records and rollups."""

import signal
from typing import Any

from django.core.management.base import BaseCommand

from readiness.lib.redis import sync_redis
from readiness.lib.stopping import StopRequest
from readiness.telemetry.recorder import Recorder


class Command(BaseCommand):
    """Ends after the batch in hand on SIGTERM or SIGINT."""

    help = "Records usage events until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = StopRequest()
        stop.listen(signal.SIGTERM, signal.SIGINT)
        Recorder(sync_redis()).run(stop.is_set)
