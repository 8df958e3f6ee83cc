"""Evidence as values, and the keys that make it stale."""

import json
import math

import pytest

from readiness.checklist.evidence import Part, key_names, moved_keys
from readiness.lib.statistics import Method, estimate_quantile
from tests.checklist.builders import evidence, rate


def test_part_survives_a_json_column() -> None:
    part = rate(3, 200)

    assert Part.from_row(json.loads(json.dumps(part.as_row()))) == part


def test_part_without_a_method_survives_a_json_column() -> None:
    part = Part("age", 12)

    assert Part.from_row(json.loads(json.dumps(part.as_row()))) == part


def test_part_refuses_a_field_it_does_not_know() -> None:
    with pytest.raises(TypeError):
        Part.from_row({"name": "age", "value": 1, "colour": "red"})


def test_part_of_a_small_sample_has_no_bound_instead_of_an_infinite_one() -> None:
    part = Part.from_estimate("latency", estimate_quantile([1.0] * 71, 0.95))

    assert part.high is None
    assert part.n == 71


def test_part_keeps_the_method_of_its_estimate() -> None:
    assert rate(1, 50, method=Method.CONFIDENCE_SEQUENCE).method is Method.CONFIDENCE_SEQUENCE


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"value": math.nan}, "finite"),
        ({"value": math.inf}, "finite"),
        ({"value": 0.5, "high": math.inf}, "finite"),
        ({"value": None, "high": 0.5}, "needs a value"),
        ({"value": 0.5, "low": 0.6, "high": 0.4}, "lower bound is above"),
        ({"value": 0.5, "n": -1}, "negative"),
    ],
)
def test_part_refuses_numbers_that_no_measurement_has(fields: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Part("rate", **fields)  # type: ignore[arg-type]


def test_evidence_finds_a_part_by_name() -> None:
    assert evidence(Part("a", 1), Part("b", 2)).part("b") == Part("b", 2)


def test_evidence_has_no_part_that_was_not_measured() -> None:
    assert evidence(Part("a", 1)).part("b") is None


def test_moved_keys_names_what_differs() -> None:
    assert moved_keys({"M": "a", "P": "v13"}, {"M": "a", "P": "v14"}, ["M", "P"]) == ("P",)


def test_moved_keys_ignores_keys_that_were_not_declared() -> None:
    assert moved_keys({"D": "1"}, {"D": "2"}, ["M", "P"]) == ()


def test_moved_keys_counts_a_key_that_was_not_recorded() -> None:
    assert moved_keys({}, {"V": "abc"}, ["V"]) == ("V",)


def test_moved_keys_counts_a_key_that_is_no_longer_known() -> None:
    assert moved_keys({"V": "abc"}, {}, ["V"]) == ("V",)


def test_moved_keys_has_nothing_to_say_of_a_key_that_nobody_knows() -> None:
    assert moved_keys({}, {}, ["V"]) == ()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("P", "prompt version"),
        ("MP", "model and prompt version"),
        ("MPD", "model, prompt version and dataset version"),
    ],
)
def test_key_names_reads_as_a_list(keys: str, words: str) -> None:
    assert key_names(keys) == words  # type: ignore[arg-type]
