"""The library of scripts on the server: loaded where it is missing, and two versions side by side."""

import pytest
import redis

from readiness.limits import scripts
from readiness.limits.scripts import Answer, arguments, keys, library, read, version
from readiness.limits.tickets import LimiterUnavailableError
from readiness.providers.base import Quota, WindowKind
from tests.limits.harness import Upstream, publish

OTHER = "readiness_0123456789ab_"


class OtherVersion(Upstream):
    """A process of another release: the same scripts but for a comment."""

    def run(self, script: str, *args: object) -> Answer:
        argv = arguments(args, process=self.process, epoch=self.epoch, now_ms=self.now)
        answer = read(self.client.fcall(OTHER + script, 2, *keys(self.name), *argv))  # type: ignore[arg-type]
        self.epoch = answer.get("epoch") or self.epoch
        return answer


@pytest.fixture
def client(redis_server: redis.Redis) -> redis.Redis:
    """Knows both versions."""
    text = library().replace(version().rstrip("_"), OTHER.rstrip("_"))
    redis_server.function_load(text + "\n-- a later release", replace=True)
    publish(redis_server, pro={"weight": 4}, free={})
    return redis_server


def pair(client: redis.Redis, quota: Quota) -> tuple[Upstream, Upstream]:
    one, other = Upstream(client, quota), OtherVersion(client, quota, process="p2")
    one.configure()
    return one, other


def test_name_of_the_library_follows_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    before = version()
    text = scripts._text()
    version.cache_clear()
    monkeypatch.setattr(scripts, "_text", lambda: text + "\n-- changed")
    changed = version()
    version.cache_clear()

    assert changed != before


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("missing", ["never loaded", "flushed"])
def test_server_that_does_not_know_the_library_is_given_it(redis_server: redis.Redis, missing: str) -> None:
    publish(redis_server, free={})
    if missing == "flushed":
        Upstream(redis_server).enqueue()
    redis_server.function_flush()

    assert Upstream(redis_server).enqueue()["status"] == "granted"


def test_failing_script_is_not_taken_for_a_missing_library(redis_server: redis.Redis) -> None:
    with pytest.raises(redis.ResponseError, match="invalid token"):
        Upstream(redis_server).run("configure", "no JSON at all")


@pytest.mark.parametrize("code", ["BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "READONLY"])
def test_server_that_cannot_serve_now_counts_as_away(code: str) -> None:
    with pytest.raises(LimiterUnavailableError), scripts.served_by_redis():
        raise redis.ResponseError(f"{code} for a reason of its own")


def test_mistake_of_ours_does_not_count_as_an_outage() -> None:
    with pytest.raises(redis.ResponseError, match="wrong number"), scripts.served_by_redis():
        raise redis.ResponseError("ERR wrong number of arguments for 'get' command")


@pytest.mark.parametrize("kind", list(WindowKind))
def test_two_versions_charge_the_same_buckets(client: redis.Redis, kind: WindowKind) -> None:
    one, other = pair(client, Quota(rpm=10, window=kind, jitter_ms=0))
    granted = [upstream.enqueue(f"q{number}") for number, upstream in enumerate([one, other] * 6)]

    assert [answer["status"] for answer in granted].count("granted") == 10
    assert one.level("rpm") == other.level("rpm") == 0


def test_two_versions_share_one_queue(client: redis.Redis) -> None:
    one, other = pair(client, Quota(concurrency=1))
    for number, upstream in enumerate([one, other] * 3):
        upstream.enqueue(f"q{number}")
    order = ["q0"]
    for upstream in (other, one, other, one, other):
        upstream.settle(order[-1])
        order += one.granted() + other.granted()

    assert order == [f"q{number}" for number in range(6)]
    assert one.inspect()["waiting"] == other.inspect()["waiting"] == 0


def test_version_that_was_idle_sees_what_the_other_did_meanwhile(client: redis.Redis) -> None:
    one, other = pair(client, Quota(rpm=10, jitter_ms=0))
    one.enqueue("kept")
    for number in range(4):
        other.enqueue(f"q{number}")
    other.settle("kept")

    assert one.level("rpm") == 5
    assert one.settle("kept")["status"] == "repeated"


def test_limits_that_one_version_configures_hold_for_the_other(client: redis.Redis) -> None:
    one, other = pair(client, Quota(rpm=10, jitter_ms=0))
    one.enqueue("one")
    other.enqueue("two")
    other.configure(Quota(rpm=5, jitter_ms=0))
    assert one.inspect()["buckets"][0]["limit"] == 5
    one.configure(Quota(rpm=3, jitter_ms=0))

    assert other.inspect()["buckets"][0]["limit"] == 3


def test_policy_that_is_published_holds_for_both_versions(client: redis.Redis) -> None:
    one, other = pair(client, Quota(jitter_ms=0))
    one.enqueue("one")
    other.enqueue("two")
    publish(client, {"site": {"rpm": 1}}, free={})

    assert [one.enqueue("three")["status"], other.enqueue("four")["status"]] == ["granted", "refused"]


def test_state_that_was_put_back_is_believed(client: redis.Redis) -> None:
    one, _ = pair(client, Quota(rpm=10, jitter_ms=0))
    one.enqueue()
    kept = client.dump("limits:{d1}:upstream")
    for _ in range(5):
        one.enqueue()
    raw = redis.Redis(connection_pool=client.connection_pool)
    raw.restore("limits:{d1}:upstream", 0, kept, replace=True)  # type: ignore[arg-type]

    assert one.level("rpm") == 9
