"""What a provider says changes how fast everybody goes: pauses, cuts, circuits, limits that it tells."""

import json
from typing import Any

import pytest
import redis

from readiness.limits.tickets import ProviderWord
from readiness.providers.base import Quota, WindowKind
from tests.limits.harness import Upstream, publish


def share(upstream: Upstream) -> float:
    """The part of the quota that is used."""
    part: float = upstream.inspect()["share"]
    return part


def details(upstream: Upstream, kind: str) -> list[dict[str, Any]]:
    """Of every such entry in the history."""
    entries = upstream.client.xrange(f"limits:{{{upstream.name}}}:history")
    return [json.loads(fields["detail"] or "{}") for _, fields in entries if fields["kind"] == kind]


def fail(upstream: Upstream, times: int, kind: str = "fault") -> None:
    for _ in range(times):
        upstream.settle(upstream.enqueue()["id"], word=ProviderWord(kind=kind))


# Pauses ---------------------------------------------------------------------------------------------------


def test_answer_to_an_earlier_call_does_not_end_a_storm(upstream: Upstream) -> None:
    for name in ("earlier", "refused"):
        upstream.enqueue(name)
    upstream.now += 100
    upstream.settle("refused", word=ProviderWord(kind="rate"))
    upstream.now += 10
    upstream.settle("earlier")
    for number in range(9):
        upstream.enqueue(f"q{number}")
    upstream.now += 1000
    upstream.dispatch()
    upstream.settle("q0", word=ProviderWord(kind="rate"))

    assert len(details(upstream, "cut")) == 1
    assert upstream.inspect()["pause_ms"] == 2000


def test_retry_after_of_nothing_is_estimated(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=0)

    assert upstream.inspect()["pause_ms"] == 1000


def test_retry_after_pauses_the_upstream(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=5000, requests=50)

    assert upstream.enqueue()["status"] == "waiting"
    upstream.now += 4999
    upstream.dispatch()
    assert upstream.granted() == []
    upstream.now += 1
    upstream.dispatch()
    assert upstream.granted() == ["r0"]


def test_newest_retry_after_wins_when_it_is_shorter(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=50_000)
    upstream.feedback("rate", retry_after_ms=2_000)

    assert upstream.inspect()["pause_ms"] == 2000


@pytest.mark.parametrize("kind", ["rate", "ramp"])
def test_refusal_without_retry_after_shortens_no_pause(upstream: Upstream, kind: str) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=60_000)
    upstream.now += 50
    upstream.feedback(kind)

    assert upstream.inspect()["pause_ms"] == 59_950


def test_absurd_retry_after_is_cut_to_five_minutes(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=86_400_000)

    assert upstream.inspect()["pause_ms"] == 300_000


def test_missing_retry_after_doubles_with_each_refusal(upstream: Upstream) -> None:
    upstream.configure()
    pauses = []
    for _ in range(8):
        upstream.feedback("rate")
        pauses.append(upstream.inspect()["pause_ms"])

    assert pauses == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]


def test_refusals_of_calls_that_left_together_double_the_pause_once(upstream: Upstream) -> None:
    for name in ("one", "two", "three"):
        upstream.enqueue(name)
    upstream.now += 500
    for name in ("one", "two", "three"):
        upstream.settle(name, word=ProviderWord(kind="rate"))

    assert upstream.inspect()["pause_ms"] == 1000


def refuse_twice(upstream: Upstream) -> None:
    for name in ("first", "second"):
        upstream.enqueue(name)
        upstream.now += 10
        upstream.settle(name, word=ProviderWord(kind="rate", retry_after_s=1))
        upstream.now += 60_000


def test_one_call_at_a_time_tries_after_two_refusals_in_a_row(upstream: Upstream) -> None:
    refuse_twice(upstream)

    assert [upstream.enqueue(name)["status"] for name in ("one", "two")] == ["granted", "waiting"]


def test_try_that_is_not_refused_within_five_seconds_lets_everybody_go_on(upstream: Upstream) -> None:
    for name in ("long1", "long2"):
        upstream.enqueue(name)  # answers take long, so nothing is heard of them
    for _ in range(2):
        upstream.feedback("rate", retry_after_ms=1000)
        upstream.now += 1001
    upstream.now += 10_000
    assert upstream.enqueue("try")["status"] == "granted"
    assert upstream.enqueue("other")["status"] == "waiting"
    upstream.now += 4_999
    upstream.dispatch()
    assert upstream.granted() == []
    upstream.now += 1
    upstream.dispatch()

    assert upstream.granted() == ["other"]


def test_answered_try_lets_everybody_go_on(upstream: Upstream) -> None:
    refuse_twice(upstream)
    for name in ("one", "two", "three"):
        upstream.enqueue(name)
    upstream.settle("one")

    assert upstream.granted() == ["two", "three"]


def test_success_ends_the_doubling(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.feedback("rate")
    upstream.feedback("rate")
    upstream.settle("one", outcome="ok")
    upstream.now += 2000
    upstream.feedback("rate")

    assert upstream.inspect()["pause_ms"] == 1000


def test_ramp_refusal_pauses_shortly_whatever_it_asks_for(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("ramp", retry_after_ms=60_000)

    assert upstream.inspect()["pause_ms"] == 1000


def test_refusal_lowers_the_level_to_what_is_left(upstream: Upstream) -> None:
    upstream.enqueue()
    upstream.feedback("rate", retry_after_ms=0, requests=7)

    assert upstream.level("rpm") == 7


def test_refusal_never_raises_a_level(upstream: Upstream) -> None:
    upstream.enqueue()
    upstream.feedback("rate", retry_after_ms=0, requests=1000)

    assert upstream.level("rpm") == 42  # a cut leaves 70 % of 60


def test_pause_longer_than_the_deadline_refuses_at_once(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=30_000)
    answer = upstream.enqueue(wait_ms=10_000)

    assert (answer["reason"], answer["retry_after_ms"]) == ("would_time_out", "20000")


def test_out_of_credit_refuses_those_who_wait(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=30_000)
    upstream.enqueue("waits")
    upstream.feedback("out_of_credit")

    assert [(m["id"], m["reason"]) for m in upstream.messages()] == [("waits", "out_of_credit")]


def test_out_of_credit_refuses_new_requests_until_resumed(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("out_of_credit")
    refused = upstream.enqueue()
    upstream.feedback("resume")

    assert refused["reason"] == "out_of_credit"
    assert upstream.enqueue()["status"] == "granted"


# Cuts -----------------------------------------------------------------------------------------------------


def test_one_congestion_costs_one_cut(upstream: Upstream) -> None:
    for name in ("one", "two", "three"):
        upstream.enqueue(name)
    upstream.now += 500
    for name in ("one", "two", "three"):
        upstream.settle(name, word=ProviderWord(kind="rate", retry_after_s=0))
        upstream.now += 1
    cuts = details(upstream, "cut")

    assert [cut["share"] for cut in cuts] == [0.7]


def test_refusal_of_a_call_granted_after_the_cut_is_another_congestion(upstream: Upstream) -> None:
    for name in ("one", "two"):
        upstream.now += 2000
        upstream.enqueue(name)
        upstream.now += 10
        upstream.settle(name, word=ProviderWord(kind="rate", retry_after_s=0))
        upstream.feedback("ok")

    assert len(details(upstream, "cut")) == 2


def test_refusals_without_an_answer_in_between_are_one_congestion(upstream: Upstream) -> None:
    """A provider that refuses everything says nothing of the rate at which it would not."""
    for name in ("one", "two", "three"):
        upstream.now += 2000
        upstream.enqueue(name)
        upstream.now += 10
        upstream.settle(name, word=ProviderWord(kind="rate", retry_after_s=0))

    assert len(details(upstream, "cut")) == 1


def test_cut_lowers_what_may_be_spent_in_every_kind_of_window(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    for kind in WindowKind:
        upstream = Upstream(redis_server, Quota(rpm=100, window=kind, jitter_ms=0), name=f"d-{kind}")
        upstream.configure()
        upstream.feedback("rate", retry_after_ms=0)
        (bucket,) = upstream.inspect()["buckets"]

        assert bucket["limit"] == pytest.approx(70)
        assert bucket["level"] <= 70


def test_share_comes_back_to_what_was_accepted_and_is_probed_slowly_beyond(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.settle("one")  # little was asked for, so half of the quota is all that one refusal takes
    upstream.feedback("rate", retry_after_ms=0)
    assert share(upstream) == pytest.approx(0.5)
    upstream.now += 600_000

    assert share(upstream) == pytest.approx(0.6)


def test_share_below_its_ceiling_comes_back_by_a_hundredth_a_second(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=0)
    upstream.now += 10_000

    assert share(upstream) == pytest.approx(0.8)


def test_second_refusal_shows_what_is_really_there(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=0)  # a bucket of the provider's is empty
    upstream.now += 10_000
    for _ in range(6):  # and refilled six of our ten a second apart
        upstream.settle(upstream.enqueue()["id"])
    upstream.feedback("rate", retry_after_ms=0)

    assert details(upstream, "cut")[-1]["ceiling"] == pytest.approx(0.6 * 0.95)


def test_share_ends_at_the_whole_quota(upstream: Upstream) -> None:
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=0)
    upstream.now += 3_600_000

    assert share(upstream) == 1


def test_share_is_never_cut_to_nothing(upstream: Upstream) -> None:
    upstream.configure()
    for _ in range(50):
        upstream.now += 1
        upstream.feedback("rate", retry_after_ms=0)
        upstream.feedback("ok")

    assert 0.02 <= share(upstream) < 0.03


def test_refusal_for_a_rise_cuts_and_all_of_it_comes_back(upstream: Upstream) -> None:
    upstream.enqueue("one")
    upstream.settle("one")
    upstream.feedback("ramp")
    assert share(upstream) == pytest.approx(0.7)
    upstream.now += 31_000

    assert share(upstream) == 1


# Overload -------------------------------------------------------------------------------------------------


def overloaded(client: redis.Redis, **quota: int) -> Upstream:
    """Eight calls in flight; the provider says of one that it is busy."""
    publish(client, free={})
    upstream = Upstream(client, Quota(rpm=60, jitter_ms=0, **quota))  # type: ignore[arg-type]
    for number in range(8):
        upstream.enqueue(f"q{number}")
    upstream.now += 100
    upstream.settle("q0", word=ProviderWord(kind="overloaded"))
    return upstream


@pytest.mark.parametrize("quota", [{}, {"concurrency": 20}])
def test_overload_halves_the_calls_at_once(redis_server: redis.Redis, quota: dict[str, int]) -> None:
    upstream = overloaded(redis_server, **quota)

    assert upstream.inspect()["places"] == 3
    assert upstream.enqueue()["status"] == "waiting"


def test_overload_leaves_the_quota_alone(redis_server: redis.Redis) -> None:
    upstream = overloaded(redis_server)

    assert (share(upstream), upstream.inspect()["pause_ms"]) == (1, 0)
    assert upstream.level("rpm") == pytest.approx(52.1)


def test_one_overload_costs_one_cut(redis_server: redis.Redis) -> None:
    upstream = overloaded(redis_server)
    for name in ("q1", "q2"):
        upstream.settle(name, word=ProviderWord(kind="overloaded"))

    assert upstream.inspect()["places"] == 3


def test_places_come_back_one_a_second(redis_server: redis.Redis) -> None:
    upstream = overloaded(redis_server, concurrency=10)
    upstream.now += 2000
    assert upstream.inspect()["places"] == 5
    upstream.now += 60_000

    assert upstream.inspect()["places"] == 10


def test_clock_that_goes_back_takes_no_place_away(redis_server: redis.Redis) -> None:
    upstream = overloaded(redis_server)
    upstream.now -= 5000

    assert upstream.inspect()["places"] == 3


def test_provider_that_allows_fewer_calls_at_once_gets_fewer(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(concurrency=10))
    for number in range(10):
        upstream.enqueue(f"q{number}")
    upstream.now += 100
    for number in range(5, 10):  # it takes five and refuses the others
        upstream.settle(f"q{number}", word=ProviderWord(kind="concurrency"))

    assert (upstream.inspect()["places"], upstream.inspect()["pause_ms"], share(upstream)) == (5, 0, 1)
    assert upstream.enqueue()["status"] == "waiting"
    upstream.now += 60_000
    assert upstream.inspect()["places"] == 6


# The circuit of a failing deployment ----------------------------------------------------------------------


def test_refusal_of_the_only_call_in_flight_pauses_for_places_of_others(
    redis_server: redis.Redis,
) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(concurrency=10))
    for pause_ms in (1000, 2000):
        upstream.settle(upstream.enqueue()["id"], word=ProviderWord(kind="concurrency"))
        assert upstream.inspect()["pause_ms"] == pause_ms
        upstream.now += pause_ms
    upstream.settle(upstream.enqueue()["id"], word=ProviderWord(kind="concurrency", retry_after_s=7))

    assert upstream.inspect()["pause_ms"] == 7000


@pytest.mark.parametrize("kind", ["fault", "unreachable", "overloaded"])
def test_ten_faults_in_a_row_open_the_circuit(upstream: Upstream, kind: str) -> None:
    fail(upstream, 9, kind)
    assert upstream.inspect()["open_ms"] == 0
    fail(upstream, 1, kind)

    assert upstream.inspect()["open_ms"] == 5000
    assert upstream.enqueue()["status"] == "waiting"


def test_delivered_call_starts_the_count_of_faults_anew(upstream: Upstream) -> None:
    fail(upstream, 9)
    fail(upstream, 1, "ok")
    fail(upstream, 9)

    assert upstream.inspect()["open_ms"] == 0


def test_error_of_our_own_request_is_no_fault(upstream: Upstream) -> None:
    fail(upstream, 30, "")

    assert upstream.inspect()["open_ms"] == 0


def test_open_circuit_lets_one_call_try(upstream: Upstream) -> None:
    fail(upstream, 10)
    for name in ("one", "two"):
        upstream.enqueue(name)
    upstream.now += 4999
    upstream.dispatch()
    assert upstream.granted() == []
    upstream.now += 1
    upstream.dispatch()

    assert upstream.granted() == ["one"]


def test_delivered_probe_closes_the_circuit(upstream: Upstream) -> None:
    fail(upstream, 10)
    for name in ("one", "two"):
        upstream.enqueue(name)
    upstream.now += 5000
    upstream.dispatch()
    upstream.settle("one")

    assert upstream.granted() == ["one", "two"]
    assert upstream.history() == ["circuit opened", "circuit closed"]


def test_failed_probe_opens_the_circuit_for_twice_as_long(upstream: Upstream) -> None:
    fail(upstream, 10)
    for _ in range(6):
        upstream.now += upstream.inspect()["open_ms"]
        fail(upstream, 1)
    opened = [entry["milliseconds"] for entry in details(upstream, "circuit opened")]

    assert opened == [5000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000]


def test_late_fault_of_a_call_made_before_opens_the_circuit_no_further(upstream: Upstream) -> None:
    upstream.enqueue("late")
    fail(upstream, 10)
    upstream.now += 5000
    upstream.enqueue("probe")
    upstream.settle("late", word=ProviderWord(kind="fault"))

    assert upstream.history() == ["circuit opened"]


def test_late_answer_of_an_older_call_neither_closes_nor_prevents_the_circuit(
    upstream: Upstream,
) -> None:
    for name in ("old1", "old2"):
        upstream.enqueue(name)
    upstream.now += 1
    fail(upstream, 5)
    upstream.settle("old1")
    fail(upstream, 5)
    assert upstream.inspect()["open_ms"] > 0
    upstream.settle("old2")

    assert upstream.inspect()["open_ms"] > 0


def test_probe_that_never_ends_is_followed_by_another(upstream: Upstream) -> None:
    fail(upstream, 10)
    upstream.now += 5000
    assert upstream.enqueue("hangs")["status"] == "granted"
    assert upstream.enqueue("next")["status"] == "waiting"
    upstream.now += 5000
    upstream.dispatch()

    assert upstream.granted() == ["next"]


# Limits that the provider tells ---------------------------------------------------------------------------


def hear(upstream: Upstream, kind: str = "ok", age_ms: int = 0, **word: dict[str, int]) -> dict[str, Any]:
    """Settles a call with such headers. Returns the first bucket."""
    answer = upstream.enqueue()
    word_ = ProviderWord(kind=kind, retry_after_s=0, age_ms=age_ms, **word)  # type: ignore[arg-type]
    upstream.settle(answer["id"], word=word_)
    bucket: dict[str, Any] = upstream.inspect()["buckets"][0]
    return bucket


def test_smaller_limit_that_the_provider_tells_is_adopted(upstream: Upstream) -> None:
    bucket = hear(upstream, limits={"requests": 30})

    assert (bucket["configured"], bucket["told"], bucket["limit"], bucket["level"]) == (60, 30, 30, 30)
    assert details(upstream, "quota") == [{"bucket": "rpm", "configured": 60, "told": 30}]


def test_larger_limit_that_the_provider_tells_changes_nothing(upstream: Upstream) -> None:
    bucket = hear(upstream, limits={"requests": 600})

    assert (bucket["limit"], upstream.history()) == (60, [])


@pytest.mark.parametrize("offered", [30, 60, 600])
def test_limit_that_the_provider_tells_is_kept_whatever_it_is(upstream: Upstream, offered: int) -> None:
    hear(upstream, limits={"requests": offered})
    upstream.configure(Quota(rpm=40, jitter_ms=0))

    assert upstream.inspect()["buckets"][0]["offered"] == offered


def test_told_limit_is_taken_back_when_the_provider_tells_more(upstream: Upstream) -> None:
    hear(upstream, limits={"requests": 30})
    bucket = hear(upstream, limits={"requests": 60})

    assert bucket["limit"] == 60
    assert bucket["level"] == 29  # what it held more has to come back first


def test_told_limit_is_noted_once(upstream: Upstream) -> None:
    for _ in range(3):
        hear(upstream, limits={"requests": 30})

    assert upstream.history() == ["quota"]


def test_told_limit_is_forgotten_when_an_admin_enters_another(upstream: Upstream) -> None:
    hear(upstream, limits={"requests": 30})
    upstream.configure()
    assert upstream.inspect()["buckets"][0]["limit"] == 30
    upstream.configure(Quota(rpm=40, jitter_ms=0))

    assert upstream.inspect()["buckets"][0]["limit"] == 40


def test_request_above_a_told_limit_is_too_large(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(tpm=1000, jitter_ms=0))
    hear(upstream, limits={"tokens": 500})

    assert upstream.enqueue(tokens=501)["reason"] == "too_large"


def test_told_limit_that_nobody_repeats_keeps_larger_requests_out_for_a_while_only(
    redis_server: redis.Redis,
) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(tpm=1000, jitter_ms=0))
    hear(upstream, limits={"tokens": 500})
    upstream.now += 240_000
    refused = upstream.enqueue(tokens=900)
    upstream.now += int(refused["retry_after_ms"])
    tries = upstream.enqueue(tokens=900)

    assert (refused["reason"], int(refused["retry_after_ms"])) == ("too_large", 60_000)
    assert tries["status"] == "granted"
    assert upstream.enqueue(tokens=1001)["reason"] == "too_large"


def test_told_limit_that_holds_keeps_larger_requests_out_again(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(tpm=1000, jitter_ms=0))
    hear(upstream, limits={"tokens": 500})
    upstream.now += 300_000
    tries = upstream.enqueue(tokens=900)
    upstream.settle(tries["id"], word=ProviderWord(kind="rate", limits={"tokens": 500}))

    assert upstream.enqueue(tokens=501)["reason"] == "too_large"


def test_refusal_that_tells_a_smaller_limit_cuts_nothing_more(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, tpm=1000, jitter_ms=0))
    hear(upstream, limits={"tokens": 500})
    upstream.now += 1
    hear(upstream, "rate", limits={"requests": 30, "tokens": 600})

    assert share(upstream) == 1


def test_less_that_is_left_is_believed(upstream: Upstream) -> None:
    assert hear(upstream, remaining={"requests": 20})["level"] == 20


def test_little_less_that_is_left_is_rounding(upstream: Upstream) -> None:
    assert hear(upstream, remaining={"requests": 58})["level"] == 59


def test_more_that_is_left_is_not_believed(upstream: Upstream) -> None:
    assert hear(upstream, remaining={"requests": 600})["level"] == 59


def test_old_word_of_what_is_left_counts_with_what_came_back_since(upstream: Upstream) -> None:
    assert hear(upstream, age_ms=10_000, remaining={"requests": 20})["level"] == 30


def test_what_is_left_of_a_fixed_window_is_believed_within_it(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, window=WindowKind.FIXED, jitter_ms=0))
    upstream.configure()
    upstream.now += 60_000 + 1000

    assert hear(upstream, age_ms=2000, remaining={"requests": 5})["level"] == 59
    assert hear(upstream, age_ms=500, remaining={"requests": 5})["level"] == 5


def test_old_word_of_what_is_left_of_a_sliding_window_says_nothing(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, window=WindowKind.SLIDING, jitter_ms=0))

    assert hear(upstream, age_ms=70_000, remaining={"requests": 5})["level"] == 59


def test_what_others_used_of_a_sliding_window_counts_for_a_minute(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=60, window=WindowKind.SLIDING, jitter_ms=0))

    assert hear(upstream, remaining={"requests": 5})["level"] == 5
    assert hear(upstream, remaining={"requests": 59})["level"] == 4
    upstream.now += 61_000
    assert upstream.level("rpm") == 60


def test_words_of_the_minute_say_nothing_of_the_day(redis_server: redis.Redis) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpd=1000, jitter_ms=0))
    bucket = hear(upstream, limits={"requests": 5}, remaining={"requests": 1})

    assert (bucket["limit"], round(bucket["level"])) == (1000, 999)


# Resuming -------------------------------------------------------------------------------------------------


def test_resuming_forgets_what_the_provider_said(upstream: Upstream) -> None:
    fail(upstream, 10)
    upstream.feedback("rate", retry_after_ms=60_000)
    upstream.feedback("overloaded")
    upstream.feedback("out_of_credit")
    upstream.feedback("resume")
    shown = upstream.inspect()

    assert (shown["share"], shown["pause_ms"], shown["open_ms"]) == (1, 0, 0)
    assert "circuit" not in shown
    assert "places" not in shown
    assert upstream.enqueue()["status"] == "waiting"  # the refusal emptied the bucket
    assert upstream.history() == [
        "circuit opened",
        "pause",
        "cut",
        "overloaded",
        "out_of_credit",
        "resumed",
    ]
