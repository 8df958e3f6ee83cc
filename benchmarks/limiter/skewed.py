"""A client process that believes that it is an hour later; its load is offered at the true time."""

from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

from benchmarks.limiter import client

_now = timezone.now


def _an_hour_late() -> datetime:
    return _now() + timedelta(hours=1)


def main(path: Path) -> None:
    timezone.now = _an_hour_late
    client.main(path)
