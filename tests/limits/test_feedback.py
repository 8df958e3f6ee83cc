"""What a provider's 429 does to everybody who uses the upstream."""

from tests.limits.harness import Upstream


def test_retry_after_pauses_the_upstream(upstream: Upstream) -> None:
    upstream.feedback("rate", retry_after_ms=5000, requests=50)

    assert upstream.enqueue()["status"] == "waiting"
    upstream.now += 4999
    upstream.dispatch()
    assert upstream.granted() == []
    upstream.now += 1
    upstream.dispatch()
    assert upstream.granted() == ["r0"]


def test_newest_retry_after_wins_when_it_is_shorter(upstream: Upstream) -> None:
    upstream.feedback("rate", retry_after_ms=50_000)
    upstream.feedback("rate", retry_after_ms=2_000)

    assert upstream.inspect()["pause_ms"] == 2000


def test_absurd_retry_after_is_cut_to_five_minutes(upstream: Upstream) -> None:
    upstream.feedback("rate", retry_after_ms=86_400_000)

    assert upstream.inspect()["pause_ms"] == 300_000


def test_missing_retry_after_doubles_with_each_refusal(upstream: Upstream) -> None:
    pauses = []
    for _ in range(8):
        upstream.feedback("rate")
        pauses.append(upstream.inspect()["pause_ms"])

    assert pauses == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]


def test_success_ends_the_doubling(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.feedback("rate")
    upstream.feedback("rate")
    upstream.settle("one", outcome="ok")
    upstream.feedback("rate")

    assert upstream.inspect()["pause_ms"] == 1000


def test_ramp_refusal_pauses_shortly_whatever_it_asks_for(upstream: Upstream) -> None:
    upstream.feedback("ramp", retry_after_ms=60_000)

    assert upstream.inspect()["pause_ms"] == 1000


def test_refusal_lowers_the_level_to_what_is_left(upstream: Upstream) -> None:
    upstream.enqueue()
    upstream.feedback("rate", retry_after_ms=0, requests=7)

    assert upstream.inspect()["buckets"]["rpm"]["level"] == 7


def test_refusal_never_raises_a_level(upstream: Upstream) -> None:
    upstream.enqueue()
    upstream.feedback("rate", retry_after_ms=0, requests=1000)

    assert upstream.inspect()["buckets"]["rpm"]["level"] == 59


def test_pause_longer_than_the_deadline_refuses_at_once(upstream: Upstream) -> None:
    upstream.feedback("rate", retry_after_ms=30_000)
    answer = upstream.enqueue(wait_ms=10_000)

    assert (answer["reason"], answer["retry_after_ms"]) == ("would_time_out", "20000")


def test_out_of_credit_refuses_those_who_wait(upstream: Upstream) -> None:
    upstream.feedback("rate", retry_after_ms=30_000)
    upstream.enqueue("waits")
    upstream.feedback("out_of_credit")

    assert [(m["id"], m["reason"]) for m in upstream.messages()] == [("waits", "out_of_credit")]


def test_out_of_credit_refuses_new_requests_until_resumed(upstream: Upstream) -> None:
    upstream.feedback("out_of_credit")
    refused = upstream.enqueue()
    upstream.feedback("resume")

    assert refused["reason"] == "out_of_credit"
    assert upstream.enqueue()["status"] == "granted"
