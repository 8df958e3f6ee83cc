"""What the sweep sees each minute: samples for the limits page's history, alerts while something is wrong.

Which alerts a look calls for is a pure function; the writer raises those and resolves the rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from readiness.alerts.models import Severity
from readiness.alerts.queries import open_keys
from readiness.alerts.services import raise_alert, resolve_alert
from readiness.lib.formats import format_compact, format_seconds
from readiness.lib.scopes import Scope
from readiness.limits.alerts import follow_credit, limits_page_of
from readiness.limits.models import UpstreamSample
from readiness.limits.queries import BucketState, Incident, LineState, UpstreamState, incidents, upstream_of
from readiness.providers.models import Deployment

SAMPLES_KEPT: Final = timedelta(days=8)
"""A week, and a day to compare its beginning with."""

_KEYS = "limits:"
"""What the keys of this module's alerts begin with; those of nobody else do."""
_HINDSIGHT = timedelta(hours=1)
_LONG_OPEN = timedelta(minutes=5)
_LONG_PAUSE = timedelta(minutes=1)
_SAME_PAUSE = timedelta(seconds=5)
"""A 429 to the first call after a pause means that it goes on."""
_NEARLY = 0.8
"""Of the longest wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One deployment as the sweep saw it."""

    deployment: Deployment
    state: UpstreamState
    incidents: Sequence[Incident] = ()
    """Of the last hour, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedAlert:
    key: str
    severity: Severity
    title: str
    detail: str


def observe(states: Mapping[str, UpstreamState], *, now: datetime) -> None:
    """Keeps a sample of each deployment's state, and brings the alerts up to date.

    ``states`` by the limiter's name; what is no deployment's is left out. A deployment that is not among them
    has nothing to be told of. Raises ``LimiterUnavailableError``.
    """
    rows = Deployment.objects.filter(pk__in=[int(name[1:]) for name in states if name[1:].isdecimal()])
    looks = [
        Look(
            deployment=deployment,
            state=states[upstream_of(deployment.pk)],
            incidents=incidents(upstream_of(deployment.pk), now - _HINDSIGHT),
        )
        for deployment in rows.select_related("account__project")
        if upstream_of(deployment.pk) in states
    ]
    _keep_samples(looks, now)
    _tell(looks, now)
    # The process whose call heard of it may have died before it could tell.
    follow_credit(look.state.upstream for look in looks if look.state.out_of_credit)


def delete_samples_before(*, moment: datetime) -> int:
    """Deletes samples of earlier minutes. Returns how many."""
    return UpstreamSample.objects.filter(at__lt=moment).delete()[0]


def _keep_samples(looks: Iterable[Look], now: datetime) -> None:
    minute = now.replace(second=0, microsecond=0)
    UpstreamSample.objects.bulk_create(
        (sample_of(look.deployment, look.state, minute) for look in looks), ignore_conflicts=True
    )


def sample_of(deployment: Deployment, state: UpstreamState, minute: datetime) -> UpstreamSample:
    """The row that remembers a state; not saved."""
    waiting: dict[str, int] = {}
    for line in state.lines:
        if line.waiting:
            waiting[line.tier] = waiting.get(line.tier, 0) + line.waiting
    return UpstreamSample(
        deployment=deployment,
        at=minute,
        waiting=state.waiting,
        oldest_ms=round(state.oldest_s * 1000),
        in_flight=state.in_flight,
        places=state.places,
        share=state.share,
        paused=bool(state.pause_s or state.open_s or state.out_of_credit),
        levels=_levels("", state.buckets) | _levels("account ", state.account),
        stated=dict(state.stated),
        waiting_by_tier=waiting,
    )


def _levels(above: str, buckets: Iterable[BucketState]) -> dict[str, float]:
    return {
        f"{above}{bucket.unit}": round(min(1.0, max(0.0, bucket.level / bucket.limit)), 4)
        for bucket in buckets
        if bucket.limit
    }


def _tell(looks: Iterable[Look], now: datetime) -> None:
    wanted: set[str] = set()
    for look in looks:
        project = look.deployment.account.project
        for alert in alerts_wanted(look, now):
            wanted.add(alert.key)
            raise_alert(
                key=alert.key,
                severity=alert.severity,
                title=alert.title,
                detail=alert.detail,
                project=project,
                link=limits_page_of(project),
                at=now,
            )
    for key in open_keys(_KEYS) - wanted:
        resolve_alert(key=key, at=now)


def alerts_wanted(look: Look, now: datetime) -> list[WantedAlert]:
    """What people must be told of the deployment as long as it stands so."""
    return [*_smaller_quotas(look), *_circuit(look, now), *_pause(look, now), *_long_wait(look)]


def _key(kind: str, look: Look) -> str:
    return f"{_KEYS}{kind}:{upstream_of(look.deployment.pk)}"


def _smaller_quotas(look: Look) -> Iterator[WantedAlert]:
    name, account = look.deployment.name, look.deployment.account.name
    for bucket in look.state.buckets:
        if bucket.told is None or bucket.told >= bucket.configured:
            continue
        unit, told = bucket.unit.upper(), format_compact(bucket.told)
        configured = format_compact(bucket.configured)
        yield WantedAlert(
            key=f"{_key('quota', look)}:{bucket.unit}",
            severity=Severity.WARNING,
            title=f"{name}: the configured {configured} {unit} are really {told}",
            detail=f"The provider's answers say that {account} may use {told} {unit} of {name}. Calls keep "
            f"to that. Correct the deployment's quota, or have the provider raise it to {configured}.",
        )


def _circuit(look: Look, now: datetime) -> Iterator[WantedAlert]:
    since = failing_since(look.incidents)
    if since is None and not look.state.open_s:
        return
    long = since is None or now - since >= _LONG_OPEN
    name = look.deployment.name
    yield WantedAlert(
        key=_key("circuit", look),
        severity=Severity.CRITICAL if long else Severity.WARNING,
        title=f"{name} fails",
        detail=f"The last calls to {name} failed one after the other, so only one at a time tries it, at "
        "most a minute apart. Requests wait until one succeeds. Check the provider's status page and the "
        "account's address.",
    )


def failing_since(told: Iterable[Incident]) -> datetime | None:
    """When the circuit opened that no answer has closed since; None when there is none."""
    since = None
    for incident in told:
        if incident.kind == "circuit opened":
            since = since or incident.at
        elif incident.kind in ("circuit closed", "resumed", "data lost"):
            since = None
    return since


def _pause(look: Look, now: datetime) -> Iterator[WantedAlert]:
    left = timedelta(seconds=look.state.pause_s)
    since = paused_since(look.incidents) if left else None
    if since is None or now - since + left <= _LONG_PAUSE:
        return
    name, whole = look.deployment.name, now - since + left
    yield WantedAlert(
        key=_key("pause", look),
        severity=Severity.WARNING,
        title=f"{name} is paused by its provider",
        detail=f"The provider answers 429 and asks for {format_seconds(left.total_seconds())} more, "
        f"{format_seconds(whole.total_seconds())} in all. Requests wait meanwhile. Check "
        "whether the quota is right, and whether somebody else uses the same credential.",
    )


def paused_since(told: Iterable[Incident]) -> datetime | None:
    """When the pause began that was told of last, with those before it that it goes on from."""
    since = until = None
    for incident in told:
        if incident.kind == "pause":
            if since is None or until is None or incident.at > until + _SAME_PAUSE:
                since = incident.at
            until = incident.at + timedelta(milliseconds=incident.detail["milliseconds"])
        elif incident.kind == "resumed":
            since = None
    return since


def _long_wait(look: Look) -> Iterator[WantedAlert]:
    worst = max(look.state.lines, key=_patience_used, default=None)
    if worst is None or _patience_used(worst) < _NEARLY:
        return
    yield WantedAlert(
        key=_key("wait", look),
        severity=Severity.WARNING,
        title=f"{look.deployment.name}: requests wait for nearly as long as they may",
        detail=f"The oldest request of tier {Scope.parse(worst.name).tier} has waited for "
        f"{format_seconds(worst.oldest_s)} of at most {format_seconds(worst.patience_s)}, and is refused "
        "then. Raise the quota or the tier's weight, or send less.",
    )


def _patience_used(line: LineState) -> float:
    return line.oldest_s / line.patience_s if line.patience_s else 0.0
