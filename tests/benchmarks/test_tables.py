"""What the comparison prints, from figures worked out by hand."""

from readiness.benchmarks.results import CellFacts, ScoreFacts, summarise
from readiness.benchmarks.tables import WIDTH, comparison, strata_table
from readiness.providers.models import Deployment
from readiness.scorers.registry import SCORERS

NAMES = {1: Deployment(pk=1, name="A"), 2: Deployment(pk=2, name="B")}
CONTAINS = SCORERS["contains"]


def cells(deployment=1, count=10, **values):
    facts = {
        "stratum": "",
        "failed": False,
        "latency_ms": None,
        "ttft_ms": None,
        "queue_ms": 0,
        "cost_nanos": 0,
        "human_label": None,
    }
    return [
        CellFacts(id=deployment * 100 + i, example_id=i, deployment_id=deployment, **(facts | values))
        for i in range(count)
    ]


def scored(facts, *values):
    return {
        (cell.id, "contains"): ScoreFacts("ok", value) for cell, value in zip(facts, values, strict=False)
    }


def row(table, title):
    return next(row for row in table.rows if row.title == title)


def test_a_row_of_drawings_shares_one_scale():
    first, second = cells(1), cells(2)
    scores = scored(first, *[1.0] * 9, 0.0) | scored(second, *[1.0] * 2, *[0.0] * 8)
    table = comparison(summarise([*first, *second], scores, [CONTAINS]), NAMES)
    a, b = row(table, "Contains the reference").figures
    assert a.x > b.x
    assert all(0 <= x <= WIDTH for figure in (a, b) for x in (figure.x_low, figure.x, figure.x_high))


def test_rows_without_a_figure_are_left_out():
    titles = [row.title for row in comparison(summarise(cells(), {}, [CONTAINS]), NAMES).rows]
    assert titles == ["Failed requests"]


def test_a_row_names_every_method_that_it_uses():
    f1 = SCORERS["token_f1"]
    first, second = cells(1), cells(2)
    scores = {(cell.id, "token_f1"): ScoreFacts("ok", 1.0) for cell in first}
    scores |= {(cell.id, "token_f1"): ScoreFacts("ok", i / 10) for i, cell in enumerate(second)}
    method = row(comparison(summarise([*first, *second], scores, [f1]), NAMES), "Token F1").method
    assert "Wilson" in method
    assert "bootstrap" in method


def test_a_quantile_without_an_upper_bound_says_so():
    table = comparison(summarise(cells(count=5, latency_ms=100), {}, []), NAMES)
    (figure,) = row(table, "Latency, p95").figures
    assert figure.interval.endswith("not bounded")
    assert figure.x_high == WIDTH


def test_the_human_rate_leads_the_table():
    table = comparison(summarise(cells(human_label=True), {}, [CONTAINS]), NAMES)
    assert table.rows[0].title == "Hallucinated, by human label"


def test_agreement_ends_with_the_trivial_row():
    facts = [*cells(1, human_label=True), *cells(2, human_label=False)]
    table = comparison(summarise(facts, scored(facts, *[0.0] * 12, *[1.0] * 8), [CONTAINS]), NAMES)
    assert [row.title for row in table.agreements][-1] == "Flag every answer (trivial)"
    assert table.agreements[-1].area == "0.50"


def test_a_stratum_without_answers_of_a_model_has_a_dash():
    facts = [*cells(1, stratum="a"), *cells(2, stratum="b")]
    table = strata_table(summarise(facts, scored(facts, *[1.0] * 20), [CONTAINS]))
    assert [(name, [figure.n for figure in figures]) for name, figures in table] == [
        ("a", [10, 0]),
        ("b", [0, 10]),
    ]
