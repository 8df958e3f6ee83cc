"""What a look at an upstream leaves behind: a sample, and alerts that end with their cause."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.urls import reverse

from readiness.accounts.models import User
from readiness.alerts.models import Alert
from readiness.alerts.services import raise_alert
from readiness.limits import upstreams
from readiness.limits.alerts import tell_of_spent_credit
from readiness.limits.models import UpstreamSample
from readiness.limits.queries import (
    BucketState,
    Incident,
    LineState,
    UpstreamState,
    last_samples,
    samples_since,
    upstream_states,
)
from readiness.limits.watch import Look, alerts_wanted, delete_samples_before, observe, sample_of
from readiness.projects.models import Project
from readiness.providers.base import Quota
from readiness.providers.models import Deployment, ProviderAccount
from tests.builders import make_account, make_deployment, make_sample
from tests.limits.harness import Upstream, publish

NOW = datetime(2027, 1, 15, 8, 0, 30, tzinfo=UTC)


def bucket(unit: str = "tpm", **values: Any) -> BucketState:
    defaults: dict[str, Any] = {"configured": 90_000, "told": None, "limit": 90_000, "level": 45_000}
    return BucketState(unit=unit, kind="continuous", **(defaults | values))


def line(name: str = "tier:free", **values: Any) -> LineState:
    defaults: dict[str, Any] = {"waiting": 1, "oldest_s": 10.0, "patience_s": 60.0}
    others = {"weight": 1, "served": 0.0, "backlog": 0.0, "tenants": 1, "parked": 0}
    return LineState(name=name, **(others | defaults | values))


def state(**values: Any) -> UpstreamState:
    return UpstreamState(upstream="d7", **values)


def incident(kind: str, seconds_ago: float, **detail: Any) -> Incident:
    return Incident(kind=kind, at=NOW - timedelta(seconds=seconds_ago), detail=detail)


def pause(seconds_ago: float, lasts_s: float) -> Incident:
    return incident("pause", seconds_ago, milliseconds=lasts_s * 1000)


def opened(seconds_ago: float) -> Incident:
    return incident("circuit opened", seconds_ago, milliseconds=5000)


def closed(seconds_ago: float) -> Incident:
    return incident("circuit closed", seconds_ago)


def told(seen: UpstreamState, *incidents: Incident) -> list[tuple[str, str]]:
    """Key and severity of what is wanted."""
    deployment = Deployment(pk=7, name="Large", account=ProviderAccount(name="Main"))
    wanted = alerts_wanted(Look(deployment=deployment, state=seen, incidents=incidents), NOW)
    return [(alert.key, alert.severity) for alert in wanted]


SMALLER = ("limits:quota:d7:tpm", "warning")
FAILS, FAILS_LONG = ("limits:circuit:d7", "warning"), ("limits:circuit:d7", "critical")
PAUSED = ("limits:pause:d7", "warning")
WAITS = ("limits:wait:d7", "warning")


@pytest.mark.parametrize(
    ("seen", "incidents", "expected"),
    [
        pytest.param(state(buckets=(bucket(),), lines=(line(),)), [], [], id="nothing is wrong"),
        pytest.param(state(buckets=(bucket(told=60_000),)), [], [SMALLER], id="quota told smaller"),
        pytest.param(state(buckets=(bucket(told=90_000),)), [], [], id="quota told the same"),
        pytest.param(state(open_s=3.0), [opened(20)], [FAILS], id="circuit just opened"),
        pytest.param(state(open_s=3.0), [opened(301)], [FAILS_LONG], id="circuit open for five minutes"),
        pytest.param(state(open_s=3.0), [opened(400), closed(300), opened(20)], [FAILS], id="opened again"),
        pytest.param(state(open_s=0.0), [opened(20)], [FAILS], id="circuit between two tries"),
        pytest.param(state(open_s=0.0), [opened(400), closed(10)], [], id="circuit closed"),
        pytest.param(state(open_s=0.0), [opened(400), incident("resumed", 10)], [], id="circuit resumed"),
        pytest.param(state(open_s=3.0), [], [FAILS_LONG], id="circuit open for longer than we look back"),
        pytest.param(state(pause_s=30.0), [pause(20, 50)], [], id="pause below a minute"),
        pytest.param(state(pause_s=30.0), [pause(31, 61)], [PAUSED], id="pause above a minute"),
        pytest.param(state(pause_s=70.0), [pause(0, 70)], [PAUSED], id="pause that will be long"),
        pytest.param(state(pause_s=10.0), [pause(62, 40), pause(20, 30)], [PAUSED], id="pause that goes on"),
        pytest.param(state(pause_s=10.0), [pause(90, 10), pause(20, 30)], [], id="pause after a gap"),
        pytest.param(state(pause_s=0.0), [pause(200, 120)], [], id="pause that is over"),
        pytest.param(state(lines=(line(oldest_s=47.0),)), [], [], id="wait below four fifths"),
        pytest.param(state(lines=(line(oldest_s=48.0),)), [], [WAITS], id="wait of four fifths"),
        pytest.param(
            state(lines=(line(oldest_s=100.0, patience_s=3600.0),)), [], [], id="wait of a patient request"
        ),
        pytest.param(
            state(lines=(line(waiting=0, oldest_s=0.0, patience_s=0.0),)), [], [], id="line without waiters"
        ),
        pytest.param(
            state(buckets=(bucket(told=60_000),), open_s=1.0, lines=(line(oldest_s=59.0),)),
            [opened(10)],
            [SMALLER, FAILS, WAITS],
            id="several at once",
        ),
    ],
)
def test_look_calls_for_alerts(
    seen: UpstreamState, incidents: Sequence[Incident], expected: list[tuple[str, str]]
) -> None:
    assert told(seen, *incidents) == expected


def test_the_worst_line_is_named() -> None:
    seen = state(lines=(line(oldest_s=50.0), line("tier:pro/12/eve", oldest_s=55.0)))
    look = Look(deployment=Deployment(pk=7, name="Large", account=ProviderAccount(name="Main")), state=seen)
    (alert,) = alerts_wanted(look, NOW)

    assert "tier pro" in alert.detail
    assert "eve" not in alert.detail


def test_sample_adds_up_the_lines_of_a_tier_and_gives_levels_as_parts() -> None:
    lines = (line(waiting=2), line("tier:free/12", waiting=3), line("tier:pro", waiting=0))
    seen = state(
        buckets=(bucket("rpm", limit=60, level=-3), bucket("tpm", limit=60_000, level=45_000)),
        account=(bucket("rpm", limit=300, level=150),),
        stated={"tokens": 60_000},
        lines=lines,
        pause_s=2.0,
    )
    sample = sample_of(Deployment(pk=7), seen, NOW)

    assert sample.stated == {"tokens": 60_000}
    assert (sample.waiting, sample.waiting_by_tier) == (5, {"free": 5})
    assert sample.levels == {"rpm": 0.0, "tpm": 0.75, "account rpm": 0.5}
    assert (sample.oldest_ms, sample.paused) == (10_000, True)


@pytest.fixture
def deployment(project: Project) -> Deployment:
    return make_deployment(make_account(project), name="Large")


def seen_of(deployment: Deployment, **values: Any) -> dict[str, UpstreamState]:
    return {f"d{deployment.pk}": UpstreamState(upstream=f"d{deployment.pk}", **values)}


def test_look_within_the_same_minute_is_kept_once(redis_server: redis.Redis, deployment: Deployment) -> None:
    observe(seen_of(deployment, lines=(line(waiting=1),)), now=NOW)
    observe(seen_of(deployment, lines=(line(waiting=9),)), now=NOW + timedelta(seconds=20))

    assert [(row.at.second, row.waiting) for row in UpstreamSample.objects.all()] == [(0, 1)]


def test_alert_lasts_as_long_as_its_cause(redis_server: redis.Redis, deployment: Deployment) -> None:
    smaller = seen_of(deployment, buckets=(bucket(told=60_000),))
    for minute in (0, 1):
        observe(smaller, now=NOW + timedelta(minutes=minute))
    alert = Alert.objects.get()
    observe(seen_of(deployment, buckets=(bucket(),)), now=NOW + timedelta(minutes=2))

    assert (alert.count, alert.title) == (2, "Large: the configured 90,000 TPM are really 60,000")
    assert not Alert.objects.open().exists()


def test_alert_of_a_deployment_that_is_not_seen_any_more_ends(
    redis_server: redis.Redis, deployment: Deployment
) -> None:
    observe(seen_of(deployment, buckets=(bucket(told=60_000),)), now=NOW)
    observe({}, now=NOW)

    assert not Alert.objects.open().exists()


def test_alerts_of_others_are_left_alone(redis_server: redis.Redis, db: None) -> None:
    raise_alert(key="backup:late", severity="critical", title="No backup", detail="")
    observe({}, now=NOW)

    assert Alert.objects.open().count() == 1


def test_alert_of_a_project_leads_to_its_limits(redis_server: redis.Redis, deployment: Deployment) -> None:
    observe(seen_of(deployment, buckets=(bucket(told=60_000),)), now=NOW)
    alert = Alert.objects.get()

    assert alert.project == deployment.account.project
    assert alert.link == reverse("operations:limits", args=["handbook"])


def test_alert_of_the_whole_site_leads_nowhere(redis_server: redis.Redis, db: None) -> None:
    observe(seen_of(make_deployment(make_account(None)), buckets=(bucket(told=60_000),)), now=NOW)
    alert = Alert.objects.get()

    assert (alert.project, alert.link) == (None, "")


def test_upstream_that_is_no_deployment_is_passed_over(redis_server: redis.Redis, db: None) -> None:
    observe({"drill": UpstreamState(upstream="drill"), "d999": UpstreamState(upstream="d999")}, now=NOW)

    assert not UpstreamSample.objects.exists()


def test_sweep_keeps_what_it_sees_and_tells_of_an_open_circuit(
    redis_server: redis.Redis, deployment: Deployment
) -> None:
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=600), name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.configure()
    for _ in range(10):
        upstream.feedback("fault")
    upstream.enqueue(wait_ms=600_000)
    upstreams.sweep()
    sample = UpstreamSample.objects.get()

    assert (sample.deployment, sample.waiting, sample.paused) == (deployment, 1, True)
    assert sample.levels == {"rpm": 1.0}
    assert [alert.title for alert in Alert.objects.open()] == ["Large fails"]


@pytest.fixture
def broke(redis_server: redis.Redis, deployment: Deployment) -> Upstream:
    """The deployment's upstream, whose provider said that the account is out of credit."""
    publish(redis_server, free={})
    upstream = Upstream(redis_server, Quota(rpm=600), name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.configure()
    upstream.feedback("out_of_credit")
    return upstream


def test_spent_credit_that_nobody_told_of_is_told_by_the_sweep(
    broke: Upstream, deployment: Deployment
) -> None:
    upstreams.sweep()
    alert = Alert.objects.open().get()

    assert alert.severity == "critical"
    assert alert.title == f"{deployment.account.name} is out of credit"


def test_spent_credit_that_lasts_is_told_once(broke: Upstream, deployment: Deployment) -> None:
    tell_of_spent_credit(deployment.pk)
    for _ in range(2):
        upstreams.sweep()

    assert [alert.count for alert in Alert.objects.open()] == [1]


def test_spent_credit_is_over_when_redis_lost_it(
    redis_server: redis.Redis, broke: Upstream, deployment: Deployment
) -> None:
    tell_of_spent_credit(deployment.pk)
    redis_server.flushdb()
    upstreams.sweep()

    assert not Alert.objects.open().exists()


def test_spent_credit_is_over_when_calls_go_through_again(broke: Upstream, deployment: Deployment) -> None:
    tell_of_spent_credit(deployment.pk)
    broke.feedback("resume")
    upstreams.sweep()

    assert not Alert.objects.open().exists()


def test_spent_credit_of_a_deployment_that_is_switched_off_is_not_told_of(
    broke: Upstream, deployment: Deployment
) -> None:
    tell_of_spent_credit(deployment.pk)
    Deployment.objects.update(active=False)
    upstreams.sweep()

    assert not Alert.objects.open().exists()


def test_spent_credit_of_a_deleted_deployment_is_over(broke: Upstream, deployment: Deployment) -> None:
    tell_of_spent_credit(deployment.pk)
    deployment.delete()
    upstreams.sweep()

    assert not Alert.objects.open().exists()


def test_look_from_before_a_resume_tells_of_nothing(broke: Upstream, deployment: Deployment) -> None:
    before = upstream_states([f"d{deployment.pk}"])
    broke.feedback("resume")
    observe(before, now=NOW)

    assert before[f"d{deployment.pk}"].out_of_credit
    assert not Alert.objects.exists()


def test_resume_ends_what_is_told_of_spent_credit(
    broke: Upstream, deployment: Deployment, project: Project, alice: User
) -> None:
    tell_of_spent_credit(deployment.pk)
    upstreams.resume_deployment(actor=alice, deployment=deployment, project=project)

    assert not Alert.objects.open().exists()


def test_old_samples_are_deleted(deployment: Deployment) -> None:
    for hours in (1, 3):
        make_sample(deployment, NOW - timedelta(hours=hours))

    assert delete_samples_before(moment=NOW - timedelta(hours=2)) == 1
    assert UpstreamSample.objects.get().at == NOW - timedelta(hours=1)


def test_samples_are_read_oldest_first_and_of_one_deployment(deployment: Deployment) -> None:
    for hours in (1, 2, 3):
        make_sample(deployment, NOW - timedelta(hours=hours))
    make_sample(make_deployment(), NOW)
    found = samples_since(deployment, NOW - timedelta(hours=2))

    assert [sample.at for sample in found] == [NOW - timedelta(hours=2), NOW - timedelta(hours=1)]


def test_last_samples_are_one_of_each_deployment(deployment: Deployment) -> None:
    other, silent = make_deployment(), make_deployment()
    for minutes in (0, 1):
        make_sample(deployment, NOW - timedelta(minutes=minutes))
    make_sample(other, NOW - timedelta(days=1))
    found = last_samples([deployment, other, silent])

    assert {pk: sample.at for pk, sample in found.items()} == {
        deployment.pk: NOW,
        other.pk: NOW - timedelta(days=1),
    }
