from readiness.simulator.quota import Charge
from readiness.simulator.timeline import KEPT_SECONDS, MAX_REFUSALS, Timeline


def test_timeline_sums_what_fell_into_one_second() -> None:
    timeline = Timeline()
    timeline.charge(10.2, Charge(tokens=5, input_tokens=3), admitted=1)
    timeline.charge(10.9, Charge(tokens=2, output_tokens=2), admitted=0)
    timeline.charge(12.0, Charge(tokens=1), admitted=1)
    first, second = timeline.to_dict(12.5)["seconds"]
    assert first == {
        "at": 10,
        "admitted": 1,
        "charged_tokens": 7,
        "charged_input_tokens": 3,
        "charged_output_tokens": 2,
    }
    assert (second["at"], second["admitted"]) == (12, 1)


def test_timeline_tells_the_last_fifteen_minutes() -> None:
    timeline = Timeline()
    timeline.charge(10.0, Charge(), admitted=1)
    assert timeline.to_dict(9.0 + KEPT_SECONDS)["seconds"]
    assert not timeline.to_dict(10.0 + KEPT_SECONDS)["seconds"]


def test_timeline_keeps_the_latest_refusals() -> None:
    timeline = Timeline()
    for number in range(MAX_REFUSALS + 1):
        timeline.refuse(float(number), "rpm")
    refusals = timeline.to_dict(0)["quota_429"]
    assert len(refusals) == MAX_REFUSALS
    assert refusals[-1] == {"at": float(MAX_REFUSALS), "limit": "rpm"}
