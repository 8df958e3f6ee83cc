"""What each producer measures, on hand-made rows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from readiness.checklist.evidence import EvidenceView
from readiness.checklist.models import Evidence
from readiness.checklist.queries import verdicts
from readiness.checklist.services import gather_evidence
from readiness.checklist.statuses import Status
from readiness.datasets.models import DatasetVersion
from readiness.evaluations.models import CellState
from readiness.lib.statistics import Method
from readiness.limits.tickets import ProviderWord
from readiness.providers.base import Quota
from readiness.providers.models import PriceOverride
from readiness.providers.services import update_deployment
from readiness.reviews.models import Verdict
from tests.builders import make_account, make_dataset, make_deployment, make_prompt_version, make_sample
from tests.checklist.builders import NOW
from tests.checklist.rows import make_check, make_decision, make_finished_run, make_target, make_traffic
from tests.limits.harness import Upstream, publish

pytestmark = pytest.mark.django_db

ANSWERED = {
    "use_case": "Answer customers",
    "latency_p95_ms": 3000,
    "cost_per_request_nanos": 5_000_000,
    "licence": "Apache-2.0",
    "region": "EU",
}


def gathered(project, criterion: str, now=NOW) -> EvidenceView:
    gather_evidence(project, now)
    evidence = Evidence.objects.filter(project=project, criterion=criterion).order_by("-id").first()
    assert evidence is not None
    row = verdicts(project, now).views[criterion].judgement
    return EvidenceView(
        parts=tuple(part.part for part in row.parts if part.part is not None),
        measured_at=evidence.measured_at,
        fingerprint=evidence.fingerprint,
        abstained=evidence.abstained,
        explanation=evidence.explanation,
    )


def status(project, criterion: str, now=NOW) -> Status:
    gather_evidence(project, now)
    return verdicts(project, now).views[criterion].judgement.status


def large(project, n: int) -> DatasetVersion:
    return make_dataset(project, examples=n, name="Large")


# M1: requirements


def test_requirements_that_are_missing_are_named(project):
    part = gathered(project, "M1").part("answered")

    assert part is not None
    assert part.value == pytest.approx(2 / 6)
    assert part.note == "missing: latency limit, cost limit, licence, region"


def test_requirements_that_are_all_filled_in_rest_on_a_persons_word(project):
    for name, value in ANSWERED.items():
        setattr(project, name, value)
    project.save()

    assert status(project, "M1") is Status.ATTESTED


def test_requirements_age_from_their_last_change(project):
    for name, value in ANSWERED.items():
        setattr(project, name, value)
    project.save()
    gather_evidence(project, NOW - timedelta(days=200))
    assert status(project, "M1") is Status.STALE

    project.region = "Switzerland"
    project.save()

    assert status(project, "M1") is Status.ATTESTED


# M3: own-sample benchmark


def test_own_sample_counts_examples_that_both_answered(project):
    target = make_target(project)
    rival = make_deployment(name="sim-large")
    run = make_finished_run(target, rivals=[rival])
    run.cells.filter(deployment=rival, example__position=0).update(state=CellState.FAILED)

    evidence = gathered(project, "M3")

    values = {part.name: part.value for part in evidence.parts}
    assert values == {"rivals": 1, "examples": 2, "strata": 1.0}
    assert evidence.explanation == f"Baseline: sim-medium, {target.prompt_version}, {target.dataset_version}"


def test_own_sample_names_the_stratum_that_was_left_out(project):
    target = make_target(project)
    rival = make_deployment()
    run = make_finished_run(target, rivals=[rival])
    run.cells.filter(example__stratum="odd").update(state=CellState.FAILED)

    part = gathered(project, "M3").part("strata")

    assert part is not None
    assert (part.value, part.note) == (0.5, "missing: odd")


def test_own_sample_without_a_rival_fails(project):
    make_finished_run(make_target(project))

    assert status(project, "M3") is Status.FAIL


def test_own_sample_says_how_many_more_examples_it_needs(project):
    make_finished_run(make_target(project), rivals=[make_deployment()])

    judgement = _judged(project, "M3")

    assert judgement.status is Status.UNDECIDED
    assert max(part.more or 0 for part in judgement.parts) == 242


def test_own_sample_of_enough_examples_passes(project):
    target = make_target(project, dataset_version=large(project, 245))
    make_finished_run(target, rivals=[make_deployment()])

    assert status(project, "M3") is Status.PASS


def test_own_sample_prefers_the_run_on_the_target_to_a_newer_one(project):
    target = make_target(project)
    other = make_prompt_version(project, user="Other: {{ question }}")
    make_finished_run(target, at=NOW - timedelta(hours=3), name="On target")
    make_finished_run(target, prompt_version=other, name="Newer")

    assert gathered(project, "M3").explanation.startswith("On target")


def test_run_without_the_target_is_no_evidence(project):
    target = make_target(project)
    make_finished_run(target).deployments.set([make_deployment()])

    assert status(project, "M3") is Status.UNKNOWN


def _judged(project, criterion: str):
    gather_evidence(project, NOW)
    return verdicts(project, NOW).views[criterion].judgement


# M5: runtime


def test_runtime_passes_on_the_bounds_of_enough_requests(project):
    target = make_target(project, dataset_version=large(project, 400))
    make_finished_run(target)

    evidence = gathered(project, "M5")

    latency = evidence.part("latency")
    assert latency is not None
    assert (latency.value, latency.n, latency.method) == (800, 400, Method.ORDER_STATISTIC)
    assert status(project, "M5") is Status.PASS


def test_runtime_of_few_requests_is_undecided(project):
    make_finished_run(make_target(project))

    assert status(project, "M5") is Status.UNDECIDED


def test_runtime_counts_failures(project):
    target = make_target(project, dataset_version=large(project, 100))
    run = make_finished_run(target)
    run.cells.filter(example__position__lt=10).update(state=CellState.FAILED)

    errors = gathered(project, "M5").part("errors")

    assert errors is not None
    assert (errors.value, errors.n) == (0.1, 100)


def test_slow_answers_fail_the_projects_own_limit(project):
    project.latency_p95_ms = 500
    project.save()
    make_finished_run(make_target(project))

    assert status(project, "M5") is Status.FAIL


def test_times_that_a_recording_lacks_are_unknown(project):
    make_finished_run(make_target(project), cell={"latency_ms": None, "ttft_ms": None})

    statuses = {part.rule.name: part.status for part in _judged(project, "M5").parts}
    assert statuses["latency"] is statuses["first_token"] is Status.UNKNOWN


def test_model_that_was_changed_under_its_name_makes_older_runs_stale(project, alice):
    target = make_target(project)
    make_finished_run(target, at=timezone.now() - timedelta(minutes=1))
    assert target.deployment is not None
    update_deployment(actor=alice, deployment=target.deployment, parameters={"temperature": 1})

    judgement = _judged(project, "M5")

    assert (judgement.status, judgement.moved) == (Status.STALE, ("M",))


def test_renamed_deployment_is_the_same_model(project, alice):
    target = make_target(project)
    make_finished_run(target, at=timezone.now() - timedelta(minutes=1))
    assert target.deployment is not None
    update_deployment(actor=alice, deployment=target.deployment, name="Another name")

    assert _judged(project, "M5").moved == ()


# M6: unit cost


def priced(deployment, day) -> None:
    for unit in ("input_token", "output_token"):
        PriceOverride.objects.create(deployment=deployment, unit=unit, usd_per_million=1, effective_from=day)


def test_unit_cost_is_judged_against_the_projects_limit(project):
    project.cost_per_request_nanos = 2_000_000
    project.save()
    target = make_target(project, dataset_version=large(project, 100))
    priced(target.deployment, NOW.date() - timedelta(days=3))
    make_finished_run(target)

    evidence = gathered(project, "M6")

    values = {part.name: part.value for part in evidence.parts}
    assert values == pytest.approx({"mean_cost": 0.001, "tail_cost": 0.001, "price_age": 3})
    assert status(project, "M6") is Status.PASS


def test_unit_cost_without_a_price_cannot_be_scored(project):
    make_finished_run(make_target(project))

    assert status(project, "M6") is Status.ABSTAIN


def test_unit_cost_turns_stale_with_the_price(project):
    target = make_target(project)
    priced(target.deployment, NOW.date() - timedelta(days=3))
    make_finished_run(target)
    gather_evidence(project, NOW)
    tomorrow = NOW + timedelta(days=1)
    PriceOverride.objects.create(
        deployment=target.deployment, unit="input_token", usd_per_million=9, effective_from=tomorrow.date()
    )

    assert verdicts(project, tomorrow).views["M6"].judgement.moved == ("$",)


# Q4: spot-checks


def test_spot_checks_are_bounded_for_every_look(project):
    target = make_target(project)
    for supported in (True, True, False):
        make_check(target, supported=supported)

    part = gathered(project, "Q4").part("factuality")

    assert part is not None
    assert (part.value, part.n, part.method) == (pytest.approx(2 / 3), 3, Method.CONFIDENCE_SEQUENCE)


def test_spot_checks_say_how_many_more_decide(project):
    target = make_target(project)
    for _ in range(30):
        make_check(target)

    judgement = _judged(project, "Q4")

    assert judgement.status is Status.UNDECIDED
    assert (judgement.deciding.more or 0) > 30


def test_spot_checks_of_another_prompt_do_not_count(project):
    target = make_target(project)
    make_check(target, prompt_hash="other")

    assert status(project, "Q4") is Status.UNKNOWN


def test_spot_checks_leave_out_what_is_older_than_a_week(project):
    target = make_target(project)
    make_check(target)
    make_check(target, at=NOW - timedelta(days=8))

    part = gathered(project, "Q4").part("factuality")

    assert part is not None
    assert part.n == 1


# Q8: human review


def test_reviews_name_the_stratum_with_the_fewest_decisions(project):
    target = make_target(project)
    for _ in range(6):
        make_decision(target)
    make_decision(target, stratum="prices", verdict=Verdict.REJECT)

    evidence = gathered(project, "Q8")

    coverage, approved = evidence.part("coverage"), evidence.part("approved")
    assert coverage is not None
    assert approved is not None
    assert (coverage.value, coverage.note) == (1, "in “prices”")
    assert (approved.value, approved.n) == (pytest.approx(6 / 7), 7)


def test_hasty_reviews_fail(project):
    target = make_target(project)
    make_decision(target, seconds=1)

    dwell = gathered(project, "Q8").part("dwell")

    assert dwell is not None
    assert dwell.value == 1
    assert status(project, "Q8") is Status.FAIL


def test_reviews_of_an_earlier_application_version_do_not_count(project):
    target = make_target(project)
    make_decision(target)
    gather_evidence(project, timezone.now())
    target.application_version, target.version_since = "2.0", timezone.now() + timedelta(seconds=1)
    target.save()

    judgement = _judged(project, "Q8")

    assert (judgement.status, judgement.moved) == (Status.STALE, ("V",))


def test_decision_counts_as_evidence_at_once(project):
    target = make_target(project)
    make_decision(target)
    gather_evidence(project, NOW)
    make_decision(target)

    assert {row.criterion for row in gather_evidence(project, NOW)} == {"Q8"}


# R2: quota


def test_quota_without_refusals_passes_and_lists_what_is_not_measured(project):
    make_traffic(make_target(project))

    judgement = _judged(project, "R2")

    assert judgement.status is Status.PASS
    assert judgement.unmeasured_parts == ("Configured limit as a share of the quota in the tightest unit",)


@pytest.mark.parametrize(("offered", "expected"), [(700, Status.PASS), (600, Status.FAIL)])
def test_limits_are_compared_with_what_the_provider_says_it_grants(project, redis_server, offered, expected):
    target = make_target(project)
    make_traffic(target)
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=600), name=f"d{target.deployment_id}")
    upstream.configure()
    word = ProviderWord(kind="ok", limits={"requests": offered})
    upstream.settle(upstream.enqueue()["id"], word=word)

    judgement = _judged(project, "R2")

    assert judgement.status is expected
    (configured,) = (part.part for part in judgement.parts if part.rule.name == "configured")
    assert configured is not None
    assert configured.note == f"600 of {offered} RPM"


@pytest.mark.parametrize(("days", "expected"), [(6, Status.FAIL), (8, Status.PASS)])
def test_what_the_provider_said_outlives_redis(project, redis_server, days, expected):
    target = make_target(project)
    make_traffic(target)
    make_sample(target.deployment, NOW - timedelta(days=days), stated={"requests": 600})
    make_sample(target.deployment, NOW - timedelta(hours=1))

    assert status(project, "R2") is expected


def test_newer_word_of_the_provider_counts(project, redis_server):
    target = make_target(project)
    make_traffic(target)
    make_sample(target.deployment, NOW - timedelta(hours=2), stated={"requests": 600})
    make_sample(target.deployment, NOW - timedelta(hours=1), stated={"requests": 700})

    assert status(project, "R2") is Status.PASS


def test_smaller_limit_of_the_whole_account_is_compared(project, redis_server):
    target = make_target(project, account=make_account(project, rpm=500))
    make_traffic(target)
    make_sample(target.deployment, NOW, stated={"requests": 600})

    assert status(project, "R2") is Status.PASS


@pytest.mark.parametrize("unit", ["tpm", "rpd", "itpm", "otpm", "tpd", "concurrency"])
def test_any_limit_is_one(project, unit):
    target = make_target(project, deployment=make_deployment(make_account(project), rpm=None, **{unit: 9}))
    make_traffic(target)

    assert status(project, "R2") is Status.PASS


def test_limit_of_the_whole_account_is_one(project):
    account = make_account(project, rpm=9)
    make_traffic(make_target(project, deployment=make_deployment(account, rpm=None)))

    assert status(project, "R2") is Status.PASS


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"concurrency": 9}, Status.FAIL),
        ({"tpm": 60_000}, Status.PASS),
        ({"itpm": 9}, Status.FAIL),
        ({"itpm": 9, "otpm": 9}, Status.PASS),
    ],
)
def test_what_the_provider_says_it_limits_is_limited_here(project, redis_server, limits, expected):
    deployment = make_deployment(make_account(project), rpm=None, **limits)
    target = make_target(project, deployment=deployment)
    make_traffic(target)
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(concurrency=9), name=f"d{target.deployment_id}")
    upstream.configure()
    upstream.settle(upstream.enqueue()["id"], word=ProviderWord(kind="ok", limits={"tokens": 90_000}))
    judgement = _judged(project, "R2")

    assert judgement.status is expected
    (limited,) = (part.part for part in judgement.parts if part.rule.name == "limited")
    assert limited is not None
    told = "the provider grants 90,000 tokens a minute, and there is no limit on them here"
    assert limited.note == (told if expected is Status.FAIL else "")


def test_quota_is_not_measured_while_redis_does_not_answer(project, redis_gone):
    make_traffic(make_target(project))
    redis_gone()

    assert "R2" not in {row.criterion for row in gather_evidence(project, NOW)}


def test_quota_fails_on_refusals_by_the_provider(project):
    make_traffic(make_target(project), upstream_429=2)

    assert status(project, "R2") is Status.FAIL


def test_deployment_without_a_limit_fails(project):
    target = make_target(project, deployment=make_deployment(make_account(project), rpm=None))
    make_traffic(target)

    assert status(project, "R2") is Status.FAIL


def test_quota_without_traffic_is_unknown(project):
    make_target(project)

    assert status(project, "R2") is Status.UNKNOWN


def test_more_traffic_in_the_same_hour_is_no_new_evidence(project):
    rollup = make_traffic(make_target(project))
    gather_evidence(project, NOW)
    rollup.attempts += 1
    rollup.save()

    assert gather_evidence(project, NOW) == []


# R6: monitoring


def make_watched(project, **traffic):
    """A target with traffic, whose queue was looked at."""
    target = make_target(project)
    make_traffic(target, **traffic)
    make_sample(target.deployment, NOW - timedelta(hours=1))


def test_signals_that_were_all_recorded_pass(project):
    make_watched(project)

    assert status(project, "R6") is Status.PASS


def test_signals_that_are_missing_are_named(project):
    make_watched(project, cost_nanos=0)

    part = gathered(project, "R6").part("signals")

    assert part is not None
    assert (part.value, part.note) == (0.8, "nothing of spend")


def test_queue_that_was_not_looked_at_within_the_day_is_missing(project):
    target = make_target(project)
    make_traffic(target)
    make_sample(target.deployment, NOW - timedelta(hours=25))

    part = gathered(project, "R6").part("signals")

    assert part is not None
    assert (part.value, part.note) == (0.8, "nothing of queue depth")


def test_evidence_from_the_simulated_service_is_marked(project):
    account = make_account(project, simulated=True)
    make_traffic(make_target(project, account=account))
    gather_evidence(project, NOW)

    assert Evidence.objects.get(criterion="R2").simulated
