"""A paid call beside a queue that never ends, by kind of window."""

import pytest
import redis

from readiness.providers.base import Quota, WindowKind
from tests.limits.harness import Upstream, publish

MINUTE_MS = 60_000
WINDOWS = [WindowKind.SLIDING, WindowKind.FIXED]


class Beside:
    """A benchmark that always has requests waiting, and a paying tier that asks now and then."""

    def __init__(self, client: redis.Redis, kind: WindowKind, *, pays: bool = True) -> None:
        publish(client, paid={"weight": 16}, job={"weight": 1})
        self.upstream = Upstream(client, Quota(rpm=600, window=kind, jitter_ms=0))
        self.pays = pays
        self.waits: list[float] = []
        self.asked: dict[str, float] = {}
        self.jobs = 0

    def step(self, milliseconds: int) -> None:
        for _ in range(milliseconds // 250):
            self.upstream.now += 250
            self.upstream.dispatch()
            self.hear()
            for _ in range(max(0, 20 - self.waiting())):
                answer = self.upstream.enqueue(tier="job", wait_ms=86_400_000)
                if answer["status"] == "granted":
                    self.serve_job(answer["id"])

    def waiting(self) -> int:
        lines = dict(self.upstream.inspect().get("lines") or {})
        return int(lines.get("tier:job", {"waiting": 0})["waiting"])

    def serve_job(self, request_id: str) -> None:
        self.jobs += 1
        self.upstream.settle(request_id)

    def hear(self) -> None:
        for request_id in self.upstream.granted():
            if request_id in self.asked:
                self.waits.append(self.upstream.now - self.asked.pop(request_id))
                self.upstream.settle(request_id)
            else:
                self.serve_job(request_id)

    def ask(self) -> None:
        """The paying tier asks once."""
        answer = self.upstream.enqueue(tier="paid", wait_ms=86_400_000)
        if answer["status"] == "granted":
            self.waits.append(0)
            self.upstream.settle(answer["id"])
        else:
            self.asked[answer["id"]] = self.upstream.now

    def run(self, minutes: float) -> None:
        for _ in range(round(minutes * 30)):
            if self.pays:
                self.ask()
            self.step(2000)


@pytest.mark.parametrize("kind", WINDOWS)
def test_paid_calls_do_not_wait_for_a_window_that_a_benchmark_emptied(
    redis_server: redis.Redis, kind: WindowKind
) -> None:
    beside = Beside(redis_server, kind)
    beside.run(2)
    beside.waits.clear()
    beside.run(2)

    # Without a head start it is a whole window, a minute.
    assert max(beside.waits) <= 2500


@pytest.mark.parametrize("kind", WINDOWS)
def test_benchmark_uses_what_paid_calls_leave(redis_server: redis.Redis, kind: WindowKind) -> None:
    beside = Beside(redis_server, kind)
    beside.run(2)
    before = beside.jobs
    beside.run(2)

    # Of 1200 in two minutes, 60 are paid calls'.
    assert beside.jobs - before >= 0.85 * (1200 - 60)


@pytest.mark.parametrize("kind", list(WindowKind))
def test_benchmark_alone_uses_everything(redis_server: redis.Redis, kind: WindowKind) -> None:
    beside = Beside(redis_server, kind, pays=False)
    beside.run(1)
    before = beside.jobs
    beside.run(2)

    assert beside.jobs - before >= 0.97 * 1200


@pytest.mark.parametrize("kind", WINDOWS)
def test_head_start_ends_a_minute_after_the_last_paid_call(
    redis_server: redis.Redis, kind: WindowKind
) -> None:
    beside = Beside(redis_server, kind)
    beside.ask()
    beside.pays = False
    beside.run(2)
    before = beside.jobs
    beside.run(1)

    assert beside.jobs - before >= 0.97 * 600


@pytest.mark.parametrize("kind", WINDOWS)
def test_lines_of_equal_weight_give_each_other_no_head_start(
    redis_server: redis.Redis, kind: WindowKind
) -> None:
    publish(redis_server, one={"weight": 4}, other={"weight": 4})
    upstream = Upstream(redis_server, Quota(rpm=60, window=kind, jitter_ms=0))
    upstream.enqueue(tier="one")
    answers = [upstream.enqueue(tier="other")["status"] for _ in range(59)]

    assert set(answers) == {"granted"}


@pytest.mark.parametrize("kind", WINDOWS)
def test_lighter_line_leaves_room_for_a_heavier_one_that_was_seen(
    redis_server: redis.Redis, kind: WindowKind
) -> None:
    publish(redis_server, paid={"weight": 4}, job={"weight": 1})
    upstream = Upstream(redis_server, Quota(rpm=60, window=kind, jitter_ms=0))
    upstream.enqueue(tier="paid")
    jobs = [upstream.enqueue(tier="job")["status"] for _ in range(59)]

    assert jobs[-1] == "waiting"
    assert upstream.enqueue(tier="paid")["status"] == "granted"
