"""A preview's figures side by side, in words."""

from typing import Any

import pytest

from readiness.limits.replay_figures import Figures, GroupFigures, QuotaUse, Refusals
from readiness.operations.preview_charts import tiers_figure, waits_chart
from readiness.operations.preview_results import Result
from readiness.operations.preview_tables import (
    Names,
    Pair,
    group_pairs,
    quota_pairs,
    refusal_pairs,
    sentences,
)

NAMES = Names(
    tiers={"pro": "Pro", "free": "Free"}, projects={3: "Handbook"}, deployments={"d1": "OpenAI · mini"}
)


def group(name: str = "free", **values: Any) -> GroupFigures:
    figures: dict[str, Any] = {
        "asked": 2,
        "granted": 2,
        "refused": 0,
        "expired": 0,
        "p50_ms": 100,
        "p99_ms": 4_100,
        "longest_ms": 5_000,
        "nanos": 0,
        "tokens": 10,
        "share": 1.0,
        "p99_series": [4_100, None],
    }
    return GroupFigures(name=name, **(figures | values))


def figures(*groups: GroupFigures, **values: Any) -> Figures:
    rest: dict[str, Any] = {"starts_ms": 0, "window_ms": 60_000, "refusals": [], "quota": []}
    return Figures(groups=groups or (group(),), **(rest | values))


def result(before: Figures | None = None, after: Figures | None = None) -> Result:
    return Result(
        before=before or figures(),
        after=after or figures(),
        requests=2,
        left_out=0,
        estimated=0,
        seconds=0.1,
    )


def test_tiers_stand_in_their_order_with_what_is_looked_at_apart() -> None:
    shown = result(figures(group("free (overridden)"), group("free"), group("pro"), group("gone")))

    assert [pair.name for pair in group_pairs(shown, NAMES)] == ["Pro", "Free", "Free (overridden)", "gone"]


def test_sentence_says_what_would_be_different() -> None:
    after = group(p99_ms=300, refused=1, expired=2, nanos=2_000_000_000)

    assert sentences([Pair(name="Free", before=group(), after=after)]) == [
        "Free: p99 wait 4.1\u00a0s → 300\u00a0ms, turned away 0 → 3, money $0 → $2.00"
    ]


def test_tier_that_nothing_changes_for_has_no_sentence() -> None:
    assert sentences([Pair(name="Free", before=group(), after=group(p50_ms=1))]) == []


def test_refusals_are_paired_by_tier_and_reason() -> None:
    one = Refusals(group="free", reason="over_cap", limit="project:3 rpm", count=5)
    (row,) = refusal_pairs(result(after=figures(refusals=[one])), NAMES)

    assert (row.name, row.before, row.after) == ("Free", 0, 5)
    assert row.note == "The requests or tokens allowed per minute are used up. Handbook: requests per minute"


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("site month", "the whole site: month's budget"),
        ("project:9 tpm", "project 9: tokens per minute"),
        ("key:k1 day", "API key k1: day's budget"),
        ("user:3:a%20b rpm", "“a b” of Handbook: requests per minute"),
        ("tier:pro share", "Pro: largest share of the quota"),
        ("tier:pro/3/ada rpm", "Pro for Handbook, “ada”: requests per minute"),
        ("provider tpm", "provider: tokens per minute"),
        ("queue", ""),
        ("head start", ""),
    ],
)
def test_limit_is_named_in_words(limit: str, words: str) -> None:
    assert NAMES.limit(limit) == words


def test_quota_that_only_one_side_used_is_shown() -> None:
    used = figures(quota=[QuotaUse(upstream="d1", limit="rpm", share=0.5)])
    (row,) = quota_pairs(result(before=used), NAMES)

    assert (row.name, row.note, row.before, row.after) == ("OpenAI · mini", "Requests per minute", 0.5, None)


def test_chart_pairs_before_and_after_for_every_tier() -> None:
    figure = tiers_figure(result(figures(group("free"), group("pro")), figures(group("free"))), NAMES)
    p99_before, p99_after = figure["data"][2:4]

    assert (p99_before["x"], p99_before["y"]) == (["Pro", "Free"], [4.1, 4.1])
    assert p99_after["y"] == [None, 4.1]


def test_table_of_waits_leaves_out_windows_without_any() -> None:
    chart = waits_chart(result(), NAMES)

    assert list(chart.header) == ["From", "Free, before", "Free, after"]
    assert [row[1:] for row in chart.rows] == [["4.1\u00a0s", "4.1\u00a0s"]]
