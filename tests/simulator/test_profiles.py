import statistics

import pytest
from pydantic import ValidationError

from readiness.simulator.chance import stream
from readiness.simulator.profiles import DEFAULT_PROFILES, Lognormal
from tests.simulator.builders import make_profile


def test_lognormal_has_its_median() -> None:
    random = stream(0)
    values = [Lognormal(median=0.3, sigma=0.4).sample(random) for _ in range(4_000)]
    assert statistics.median(values) == pytest.approx(0.3, rel=0.05)


def test_lognormal_without_spread_is_its_median() -> None:
    assert Lognormal(median=0.3).sample(stream(0)) == 0.3


def test_merged_changes_nested_fields_one_by_one() -> None:
    changed = make_profile(quota={"rpm": 10}).merged({"quota": {"tpm": 500}, "error_rate": 0.5})
    assert (changed.quota.rpm, changed.quota.tpm, changed.error_rate) == (10, 500, 0.5)


@pytest.mark.parametrize(
    "changes",
    [
        {"quota": {"rpm": 0}},
        {"error_rate": 1.5},
        {"speed": 2},
        {"quota": 5},
        {"quota": {"window": "rolling"}},
        {"quota": {"zone": "Mars/Base"}},
        {"quota": {"zone": "../etc/passwd"}},
        {"quota": {"edge_s": 60}},
        {"jitter_seconds": -1},
        {"price": {"input_usd_per_million": "x"}},
    ],
)
def test_merged_refuses_what_makes_no_sense(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        make_profile().merged(changes)


def test_default_profiles_get_dearer_slower_and_more_truthful() -> None:
    small, medium, large = (DEFAULT_PROFILES[f"sim-{size}-2026-06"] for size in ("small", "medium", "large"))
    for cheap, dear in ((small, medium), (medium, large)):
        assert float(cheap.price.output_usd_per_million) < float(dear.price.output_usd_per_million)
        assert cheap.tokens_per_second.median > dear.tokens_per_second.median
        assert cheap.hallucination_rate > dear.hallucination_rate


def test_default_profiles_have_one_judge() -> None:
    assert [model for model, profile in DEFAULT_PROFILES.items() if profile.judge] == ["sim-judge-2026-06"]
