"""What the limits page shows: the project's deployments with their buckets and queues as they stand now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from readiness.limits.queries import NO_REDIS, TierQueue, UpstreamState, upstream_of, upstream_states
from readiness.limits.tickets import LimiterUnavailableError
from readiness.projects.models import Project, Tier
from readiness.providers.models import Deployment, ProviderKind
from readiness.providers.queries import deployments_of

UNITS = {"rpm": "Requests per minute", "tpm": "Tokens per minute", "rpd": "Requests per day"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One of the provider's limits; ``level`` is what may be spent now, None when that is not known."""

    label: str
    limit: float
    level: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TierLine:
    """One tier at one deployment. Shares are of 1."""

    name: str
    waiting: int
    oldest_s: float
    promised: float
    """Its share while every tier of the table waits."""
    got: float | None
    """Its share of what was granted within this minute and the last; None when nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamPanel:
    deployment: Deployment
    gauges: Sequence[Gauge]
    state: UpstreamState | None
    """None when Redis does not answer."""
    lines: Sequence[TierLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsPage:
    panels: Sequence[UpstreamPanel]
    tiers: Sequence[Tier]
    trouble: str
    """Plain words when Redis does not answer, else empty."""


def limits_page(project: Project) -> LimitsPage:
    """Deployments that are called at all, each with its state, and the tiers that share them."""
    deployments = list(callable_deployments(project))
    tiers = list(Tier.objects.all())
    states: Mapping[str, UpstreamState] = {}
    trouble = ""
    try:
        states = upstream_states(upstream_of(deployment.pk) for deployment in deployments)
    except LimiterUnavailableError:
        trouble = NO_REDIS
    panels = [_panel(deployment, states.get(upstream_of(deployment.pk)), tiers) for deployment in deployments]
    return LimitsPage(panels=panels, tiers=tiers, trouble=trouble)


def callable_deployments(project: Project) -> Sequence[Deployment]:
    """The project's deployments without recordings, which have no limits because nobody is called."""
    return list(deployments_of(project).exclude(account__kind=ProviderKind.RECORDED))


def _panel(deployment: Deployment, state: UpstreamState | None, tiers: Sequence[Tier]) -> UpstreamPanel:
    return UpstreamPanel(
        deployment=deployment,
        gauges=_gauges(deployment, state),
        state=state,
        lines=_lines(state.tiers, tiers) if state else (),
    )


def _gauges(deployment: Deployment, state: UpstreamState | None) -> list[Gauge]:
    """The deployment's limits; one that no call has used yet is full."""
    levels = {bucket.unit: bucket.level for bucket in state.buckets} if state else {}
    gauges = []
    for unit, label in UNITS.items():
        limit = getattr(deployment, unit)
        if limit is not None:
            level = min(levels.get(unit, limit), limit) if state else None
            gauges.append(Gauge(label=label, limit=limit, level=level))
    return gauges


def _lines(queues: Sequence[TierQueue], tiers: Sequence[Tier]) -> list[TierLine]:
    known = {tier.slug: tier for tier in tiers}
    lowest = min((tier.weight for tier in tiers), default=1)
    weights = {queue.tier: known[queue.tier].weight if queue.tier in known else lowest for queue in queues}
    served = sum(queue.served for queue in queues)
    lines = [
        TierLine(
            name=known[queue.tier].name if queue.tier in known else "Unknown tier",
            waiting=queue.waiting,
            oldest_s=queue.oldest_s,
            promised=weights[queue.tier] / sum(weights.values()),
            got=queue.served / served if served else None,
        )
        for queue in queues
    ]
    return sorted(lines, key=lambda line: -line.promised)
