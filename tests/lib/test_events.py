from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.events import Outcome, Purpose, UsageEvent

_VALUES = {bool: st.booleans(), int: st.integers(-1, 10**15), str: st.text(max_size=20)}
events = st.builds(UsageEvent, **{field.name: _VALUES[field.type] for field in fields(UsageEvent)})


@given(events)
def test_event_survives_the_stream(event) -> None:
    assert UsageEvent.from_fields(event.to_fields()) == event


@given(events)
def test_stream_fields_are_strings(event) -> None:
    assert all(isinstance(value, str) for value in event.to_fields().values())


@pytest.mark.parametrize(("simulated", "text"), [(True, "1"), (False, "0")])
def test_booleans_travel_as_digits(simulated, text) -> None:
    event = UsageEvent(event_id="e", request_id="r", simulated=simulated)
    assert event.to_fields()["simulated"] == text


def test_fields_of_a_newer_version_are_ignored() -> None:
    raw = {"event_id": "e", "request_id": "r", "carbon_grams": "3"}
    assert UsageEvent.from_fields(raw) == UsageEvent(event_id="e", request_id="r")


def test_fields_that_an_older_version_lacks_take_their_defaults() -> None:
    event = UsageEvent.from_fields({"event_id": "e", "request_id": "r"})
    assert (event.outcome, event.purpose, event.final, event.ttft_ms) == (Outcome.OK, Purpose.APP, True, -1)


def test_whole_numbers_that_redis_wrote_as_floats_are_read() -> None:
    assert UsageEvent.from_fields({"event_id": "e", "request_id": "r", "at_ms": "1700000000123.0"}).at_ms == (
        1_700_000_000_123
    )
