"""How upstreams and their limits are put into words."""

from typing import Any

import pytest

from readiness.lib.formats import SPACE
from readiness.limits.queries import BucketState, UpstreamState
from readiness.operations.words import bucket_note, line_name, state_sentences


def note(unit: str = "tpm", kind: str = "continuous", share: float = 1.0, **said: float) -> str:
    values = {"told": None, **said}
    bucket = BucketState(unit=unit, configured=90_000, limit=90_000, level=0, kind=kind, **values)  # type: ignore[arg-type]
    return bucket_note(bucket, share).replace(SPACE, " ")


@pytest.mark.parametrize(
    ("unit", "kind", "words"),
    [
        ("tpm", "continuous", "comes back steadily"),
        ("tpm", "sliding", "each use comes back a minute later"),
        ("rpd", "sliding", "each use comes back a day later"),
        ("rpm", "fixed", "starts afresh each minute"),
        ("tpd", "fixed", "starts afresh each day"),
    ],
)
def test_limit_says_how_it_comes_back(unit: str, kind: str, words: str) -> None:
    assert note(unit, kind) == words


def test_limit_says_why_it_is_less_than_configured() -> None:
    assert note(told=60_000, share=0.7) == (
        "comes back steadily; the provider says 60,000, configured are 90,000; 70 % in use after a cut"
    )


def test_limit_says_that_the_provider_allows_more() -> None:
    assert note(offered=120_000) == "comes back steadily; the provider allows 120 k"


def test_limit_that_the_provider_confirms_says_nothing_of_it() -> None:
    assert note(told=90_000, offered=90_000) == "comes back steadily"


@pytest.mark.parametrize(
    ("state", "beginnings"),
    [
        ({}, []),
        ({"pause_s": 12.0}, ["The provider answered 429. Calls go on in 12 s"]),
        (
            {"open_s": 8.0},
            ["Its last calls failed one after the other. One call tries it again in 8 s"],
        ),
        ({"concurrency": 8, "places": 8}, []),
        ({"concurrency": 8, "places": 4}, ["The provider was overloaded, so at most 4 calls"]),
        ({"places": 4}, ["The provider was overloaded, so at most 4 calls"]),
        ({"share": 0.7}, ["After a 429, 70 % of the quota is in use"]),
        (
            {"share": 0.7, "pause_s": 3.0},
            ["The provider answered 429. Calls go on in 3 s", "After a 429, 70 % of the quota is in use"],
        ),
    ],
)
def test_upstream_says_what_holds_calls_back(state: dict[str, Any], beginnings: list[str]) -> None:
    said = [words.replace(SPACE, " ") for words in state_sentences(UpstreamState(upstream="d7", **state))]

    assert len(said) == len(beginnings)
    assert all(words.startswith(first) for words, first in zip(said, beginnings, strict=True))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("tier:free", "Free"),
        ("tier:gone", "Unknown tier"),
        ("tier:free/12", "Free, this project"),
        ("tier:free/12/eve%2Fmallory", "Free, eve/mallory"),
        ("tier:free/13", "Free, another project"),
        ("tier:free/13/bob", "Free, another project"),
    ],
)
def test_line_is_named_without_telling_of_other_projects(line: str, name: str) -> None:
    assert line_name(line, 12, {"free": "Free"}) == name
