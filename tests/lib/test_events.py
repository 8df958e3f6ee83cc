import json
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


@given(events)
def test_event_survives_the_stream_as_one_field(event) -> None:
    assert UsageEvent.from_entry({"event": json.dumps(event.to_fields())}) == event


@given(events)
def test_flat_entries_of_older_versions_are_read(event) -> None:
    assert UsageEvent.from_entry(event.to_fields()) == event


def test_flat_fields_of_an_entry_replace_those_of_its_event() -> None:
    estimate = UsageEvent(event_id="e", request_id="r", cost_nanos=900, tier="free")
    raw = {"event": json.dumps(estimate.to_fields()), "at_ms": "1700000000123", "outcome": "refused"}
    told = UsageEvent.from_entry(raw | {"cost_nanos": "0", "retry_after_ms": "2678400000"})
    assert (told.at_ms, told.outcome, told.cost_nanos) == (1_700_000_000_123, Outcome.REFUSED, 0)
    assert (told.retry_after_ms, told.tier) == (2_678_400_000, "free")


@pytest.mark.parametrize("text", ["", "{", "[]", '"e"', "null"])
def test_entry_whose_event_is_no_object_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"event|Expecting"):
        UsageEvent.from_entry({"event": text, "event_id": "e", "request_id": "r"})
