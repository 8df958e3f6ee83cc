"""Step 1: requirements, and what the newest benchmark run says of the model that would be shipped."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from functools import partial

from readiness.checklist.catalogue.schema import FingerprintKey
from readiness.checklist.criteria.runs import (
    draft_of_run,
    has_rivals,
    newest_run,
    on_dataset,
    on_prompt,
)
from readiness.checklist.evidence import Part
from readiness.checklist.fingerprints import price_digest
from readiness.checklist.measurements import Draft, Measurement
from readiness.checklist.producers import produces
from readiness.checklist.subjects import Subject
from readiness.evaluations.models import Run
from readiness.evaluations.queries import answered_cells, failed_cells
from readiness.lib.money import NANOS_PER_USD
from readiness.lib.statistics import estimate_mean, estimate_quantile, estimate_rate
from readiness.projects.models import Project
from readiness.providers.models import Deployment, PriceUnit
from readiness.providers.queries import prices_on

_TAIL = 0.95


@produces("projects.requirements")
def requirements(subject: Subject) -> Measurement:
    """M1: which of the project's requirements are filled in."""
    answers = requirement_answers(subject.project)
    return Measurement(
        method="requirements/1",
        identity=tuple(answers.items()),
        measure=partial(_measure_requirements, subject, answers),
    )


def requirement_answers(project: Project) -> dict[str, object]:
    """What has to be written down, by its name; the answer is empty or None where it is not."""
    return {
        "category": project.category,
        "use case": project.use_case,
        "latency limit": project.latency_p95_ms,
        "cost limit": project.cost_per_request_nanos,
        "licence": project.licence,
        "region": project.region,
    }


def _measure_requirements(subject: Subject, answers: dict[str, object]) -> Draft:
    missing = [name for name, answer in answers.items() if answer in {None, ""}]
    part = Part(
        name="answered",
        value=(len(answers) - len(missing)) / len(answers),
        n=len(answers),
        note=f"missing: {', '.join(missing)}" if missing else "",
    )
    return Draft(parts=(part,), measured_at=subject.now)


@produces("benchmarks.own_sample")
def own_sample(subject: Subject) -> Measurement | None:
    """M3: how many examples the chosen model and a rival both answered, in one run."""
    run = newest_run(subject, on_prompt(subject), on_dataset(subject), has_rivals)
    return _of_run("own-sample/1", subject, run, _measure_own_sample)


@produces("benchmarks.runtime")
def runtime(subject: Subject) -> Measurement | None:
    """M5: latency, time to first token and failures of the chosen model."""
    return _of_run("runtime/1", subject, newest_run(subject, on_prompt(subject)), _measure_runtime)


@produces("benchmarks.unit_cost")
def unit_cost(subject: Subject) -> Measurement | None:
    """M6: what a request to the chosen model cost."""
    return _of_run("unit-cost/1", subject, newest_run(subject, on_prompt(subject)), _measure_unit_cost)


def _of_run(
    method: str, subject: Subject, run: Run | None, measure: Callable[[Subject, Run], Draft]
) -> Measurement | None:
    """A run is measured once; retried cells finish it again."""
    if run is None:
        return None
    return Measurement(
        method=method,
        identity=(run.pk, run.finished_at, subject.target.deployment_id),
        measure=partial(measure, subject, run),
    )


def _measure_own_sample(subject: Subject, run: Run) -> Draft:
    answered: dict[int, set[int]] = defaultdict(set)
    strata: dict[int, str] = {}
    for example, deployment, stratum in answered_cells(run).values_list(
        "example_id", "deployment_id", "example__stratum"
    ):
        answered[deployment].add(example)
        strata[example] = stratum
    mine = answered.pop(subject.target.deployment_id or 0, set())
    shared = [mine & theirs for theirs in answered.values() if mine & theirs]
    both = max(shared, key=len, default=set())
    declared = set(run.dataset_version.strata)
    missing = sorted(declared - {strata[example] for example in both})
    covered = (len(declared) - len(missing)) / len(declared) if declared else None
    parts = (
        Part("rivals", len(shared)),
        Part("examples", len(both)),
        Part("strata", covered, len(declared), note=f"missing: {', '.join(missing)}" if missing else ""),
    )
    return draft_of_run(subject, run, parts)


def _measure_runtime(subject: Subject, run: Run) -> Draft:
    cells = answered_cells(run).filter(deployment=subject.deployment)
    times = list(cells.values_list("latency_ms", "ttft_ms"))
    failed = failed_cells(run).filter(deployment=subject.deployment).count()
    return draft_of_run(
        subject,
        run,
        (
            _tail("latency", [latency for latency, _ in times if latency is not None]),
            _tail("first_token", [ttft for _, ttft in times if ttft is not None]),
            Part.from_estimate("errors", estimate_rate(failed, failed + len(times))),
        ),
    )


def _tail(name: str, milliseconds: list[int]) -> Part:
    if not milliseconds:
        return Part(name, None, 0, note="the run has no such times")
    return Part.from_estimate(name, estimate_quantile(milliseconds, _TAIL))


def _measure_unit_cost(subject: Subject, run: Run) -> Draft:
    deployment = subject.deployment
    assert deployment is not None
    day = (run.finished_at or subject.now).date()
    fingerprint: dict[FingerprintKey, str] = {"$": price_digest(deployment, day)}
    cells = answered_cells(run).filter(deployment=deployment)
    dollars = [nanos / NANOS_PER_USD for nanos in cells.values_list("cost_nanos", flat=True)]
    if not prices_on(deployment, day).known or not dollars:
        why = f"Nobody knows the price of {deployment.name}: enter it with the deployment, and measure again."
        return draft_of_run(subject, run, (), fingerprint=fingerprint, abstained=why)
    parts = (
        Part.from_estimate("mean_cost", estimate_mean(dollars)),
        Part.from_estimate("tail_cost", estimate_quantile(dollars, _TAIL)),
        _price_age(deployment, day),
    )
    return draft_of_run(subject, run, parts, fingerprint=fingerprint)


def _price_age(deployment: Deployment, day: date) -> Part:
    """Days since the older of the token prices was entered. A public price list does not say when it was
    last checked, so its age is not known."""
    entered: dict[str, date] = {}
    for price in deployment.price_overrides.filter(effective_from__lte=day).order_by("effective_from"):
        entered[price.unit] = price.effective_from
    if not {PriceUnit.INPUT_TOKEN, PriceUnit.OUTPUT_TOKEN} <= entered.keys():
        note = "the public price list does not say; confirm the price with the deployment"
        return Part("price_age", None, note=note)
    oldest = min(entered[PriceUnit.INPUT_TOKEN], entered[PriceUnit.OUTPUT_TOKEN])
    return Part("price_age", (day - oldest).days)
