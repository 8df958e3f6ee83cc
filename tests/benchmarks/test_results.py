import pytest

from readiness.benchmarks.results import CellFacts, ScoreFacts, summarise
from readiness.lib.statistics import wilson
from readiness.scorers.registry import SCORERS

DETAILS = SCORERS["unsupported_details"]
CONTAINS = SCORERS["contains"]
F1 = SCORERS["token_f1"]


def cell(number: int, deployment: int = 1, **values) -> CellFacts:
    facts = {
        "id": number,
        "example_id": number,
        "deployment_id": deployment,
        "stratum": "",
        "failed": False,
        "latency_ms": 100 * number,
        "ttft_ms": 10,
        "queue_ms": 0,
        "cost_nanos": 1_000_000,
        "human_label": None,
    }
    return CellFacts(**(facts | values))


def scores(scorer: str, *values: float | None, status: str = "ok"):
    return {(i, scorer): ScoreFacts(status, value) for i, value in enumerate(values, start=1)}


def metric(arm, name):
    return next(m for m in arm.metrics if m.name == name)


def test_rate_of_a_binary_scorer_has_wilsons_interval():
    cells = [cell(i) for i in range(1, 11)]
    (arm,) = summarise(cells, scores("contains", *[1.0] * 8, 0.0, 0.0), [CONTAINS]).arms
    estimate = metric(arm, "contains").estimate
    interval = wilson(8, 10)
    assert (estimate.value, estimate.low, estimate.high) == (0.8, interval.low, interval.high)


def test_graded_scorer_has_a_bootstrap_interval_around_its_mean():
    cells = [cell(i) for i in range(1, 5)]
    (arm,) = summarise(cells, scores("token_f1", 0.2, 0.4, 0.6, 0.8), [F1]).arms
    estimate = metric(arm, "token_f1").estimate
    assert estimate.value == pytest.approx(0.5)
    assert 0.2 < estimate.low < 0.5 < estimate.high < 0.8


def test_abstentions_and_errors_leave_the_rate_and_are_counted_apart():
    cells = [cell(i) for i in range(1, 5)]
    found = scores("contains", 1.0, 1.0)
    found |= {(3, "contains"): ScoreFacts("abstain", None), (4, "contains"): ScoreFacts("error", None)}
    m = metric(summarise(cells, found, [CONTAINS]).arms[0], "contains")
    assert (m.estimate.value, m.estimate.n, m.abstained, m.errors) == (1.0, 2, 1, 1)


def test_repeats_of_an_example_count_as_one():
    cells = [cell(i, example_id=1 + i % 2) for i in range(1, 9)]
    m = metric(summarise(cells, scores("contains", *[1.0, 0.0] * 4), [CONTAINS]).arms[0], "contains")
    assert (m.estimate.value, m.estimate.n) == (0.5, 2)


def test_failed_cells_count_in_the_error_rate_only():
    cells = [cell(1), cell(2), cell(3), cell(4, failed=True, latency_ms=None)]
    (arm,) = summarise(cells, {}, []).arms
    assert (arm.answered, arm.failed) == (3, 1)
    assert metric(arm, "error_rate").estimate.value == 0.25
    assert metric(arm, "latency_p50").estimate.n == 3


def test_recorded_cells_without_times_have_no_latency_and_no_cost():
    cells = [cell(i, latency_ms=None, ttft_ms=None, cost_nanos=0) for i in range(1, 4)]
    (arm,) = summarise(cells, {}, []).arms
    assert all(metric(arm, name).estimate is None for name in ("latency_p95", "ttft_p95", "cost_mean"))


def test_human_labels_give_a_rate_per_deployment():
    cells = [cell(i, deployment=1 + i % 2, human_label=i <= 2) for i in range(1, 9)]
    first, second = summarise(cells, {}, []).arms
    assert (first.human.value, second.human.value) == (0.25, 0.25)
    assert first.human.n == 4


def test_agreement_compares_flags_and_ranking_with_the_labels():
    labels = [True, True, False, False]
    cells = [cell(i, human_label=label) for i, label in enumerate(labels, start=1)]
    results = summarise(cells, scores("unsupported_details", 3, 0, 1, 0), [DETAILS])
    (agreement,) = results.agreements
    assert (agreement.confusion.precision.value, agreement.confusion.recall.value) == (0.5, 0.5)
    assert agreement.area.value == pytest.approx(0.625)


def test_the_trivial_row_flags_every_labelled_answer():
    cells = [cell(i, human_label=i == 1) for i in range(1, 5)]
    trivial = summarise(cells, {}, [DETAILS]).trivial
    assert (trivial.precision.value, trivial.recall.value) == (0.25, 1.0)


def test_unlabelled_runs_have_no_agreement():
    results = summarise([cell(1)], scores("contains", 1.0), [CONTAINS])
    assert (results.agreements, results.trivial) == ([], None)


def test_strata_show_the_first_scorer_for_each_deployment():
    cells = [cell(1, stratum="a"), cell(2, stratum="b"), cell(3, deployment=2, stratum="b")]
    results = summarise(cells, scores("contains", 1.0, 0.0, 1.0), [CONTAINS])
    values = {s: {d: m.estimate.value for d, m in arms.items()} for s, arms in results.strata.items()}
    assert values == {"a": {1: 1.0}, "b": {1: 0.0, 2: 1.0}}


def test_a_single_stratum_is_not_shown():
    assert summarise([cell(1), cell(2)], scores("contains", 1.0, 1.0), [CONTAINS]).strata == {}


def test_a_run_without_finished_cells_has_no_figures():
    assert summarise([], {}, [CONTAINS]).arms == []
