"""Which signals were recorded."""

from datetime import timedelta

import pytest

from readiness.telemetry.queries import Signals, recorded_signals
from tests.checklist.builders import NOW
from tests.checklist.rows import make_target, make_traffic

pytestmark = pytest.mark.django_db

DAY = timedelta(hours=24)


def test_signals_of_a_day_are_added_up(project):
    target = make_target(project)
    make_traffic(target, queue_wait={})
    make_traffic(target, at=NOW - timedelta(hours=2))

    assert recorded_signals(project, NOW - DAY) == Signals(attempts=200, waits=True, spend_nanos=10_000_000)


def test_waits_are_missing_where_none_was_recorded(project):
    make_traffic(make_target(project), queue_wait={})

    assert not recorded_signals(project, NOW - DAY).waits


def test_signals_before_the_day_do_not_count(project):
    make_traffic(make_target(project), at=NOW - timedelta(hours=30))

    assert recorded_signals(project, NOW - DAY) == Signals(attempts=0, waits=False, spend_nanos=0)
