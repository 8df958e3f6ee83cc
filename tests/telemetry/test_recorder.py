import json

import pytest
import redis

from readiness.lib.events import STREAM_KEY, UsageEvent
from readiness.telemetry.models import RequestRecord
from readiness.telemetry.recorder import DEAD_KEY, GROUP, Recorder

AT_MS = 1_795_000_000_000


def publish(server: redis.Redis, number: int, **values) -> None:
    event = UsageEvent(event_id=f"e{number}", request_id=f"r{number}", at_ms=AT_MS + number, **values)
    server.xadd(STREAM_KEY, {"event": json.dumps(event.to_fields())})


def record_all(recorder: Recorder) -> int:
    total = 0
    while count := recorder.record_once(block_ms=1):
        total += count
    return total


def test_recorder_writes_what_is_in_the_stream(db, redis_server):
    for number in range(3):
        publish(redis_server, number)
    assert record_all(Recorder(redis_server)) == 3
    assert RequestRecord.objects.count() == 3


def test_recorder_reads_flat_entries_of_the_version_before(db, redis_server):
    redis_server.xadd(STREAM_KEY, {"event_id": "e1", "request_id": "r1", "at_ms": str(AT_MS)})
    assert record_all(Recorder(redis_server)) == 1
    assert RequestRecord.objects.get().event_id == "e1"


def test_recorder_trims_only_what_is_acknowledged(db, redis_server):
    publish(redis_server, 1)
    recorder = Recorder(redis_server)
    record_all(recorder)
    publish(redis_server, 2)
    assert redis_server.xlen(STREAM_KEY) == 2
    record_all(recorder)
    assert redis_server.xlen(STREAM_KEY) == 1


def test_a_recorder_that_died_before_its_acknowledgement_loses_and_doubles_nothing(db, redis_server):
    publish(redis_server, 1)
    publish(redis_server, 2)
    dead = Recorder(redis_server)
    dead._write(dead._read(block_ms=1))  # committed, never acknowledged
    publish(redis_server, 3)
    assert record_all(Recorder(redis_server)) == 3
    assert RequestRecord.objects.count() == 3
    assert redis_server.xpending(STREAM_KEY, GROUP)["pending"] == 0


def test_an_entry_that_was_read_and_not_written_is_written_by_the_next_recorder(db, redis_server):
    publish(redis_server, 1)
    Recorder(redis_server)._read(block_ms=1)
    record_all(Recorder(redis_server))
    assert RequestRecord.objects.count() == 1


@pytest.mark.parametrize(
    "poison",
    [
        {"nonsense": "1"},
        {"event": "[1]"},
        {"event_id": "x", "request_id": "x", "at_ms": "soon"},
        {"event_id": "x", "request_id": "x", "at_ms": str(AT_MS), "input_tokens": "-5"},
    ],
)
def test_a_poison_entry_is_put_aside_and_blocks_nobody(db, redis_server, poison):
    publish(redis_server, 1)
    redis_server.xadd(STREAM_KEY, poison)
    publish(redis_server, 2)
    record_all(Recorder(redis_server))
    assert set(RequestRecord.objects.values_list("event_id", flat=True)) == {"e1", "e2"}
    assert redis_server.xlen(DEAD_KEY) == 1


def test_recorder_goes_on_after_redis_came_back_empty(db, redis_server):
    recorder = Recorder(redis_server)
    publish(redis_server, 1)
    record_all(recorder)
    redis_server.flushdb()
    publish(redis_server, 2)
    recorder.record_once(block_ms=1)
    record_all(recorder)
    assert RequestRecord.objects.count() == 2
