"""What the limits page shows: the project's deployments with their buckets and queues as they stand now."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from readiness.limits.models import UpstreamSample
from readiness.limits.queries import (
    NO_REDIS,
    BucketState,
    LineState,
    UpstreamState,
    last_samples,
    upstream_of,
    upstream_states,
)
from readiness.limits.tickets import LimiterUnavailableError
from readiness.operations.words import UNITS, bucket_note, line_name, state_sentences, window_words
from readiness.projects.models import Project, Tier, TierOverride
from readiness.providers.models import Deployment, ProviderAccount, ProviderKind
from readiness.providers.queries import deployments_of

MOST_LINES = 20
"""Lines of one upstream that are shown for themselves. Each end user with an override has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One of the provider's limits."""

    label: str
    limit: float
    level: float | None
    """What may be spent now; None when that is not known."""
    seen: float | None = None
    """Without a level: the part of the limit that was left when somebody looked last, 0 to 1."""
    note: str
    """How it comes back, and why it is not the configured one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierLine:
    """One tier, or an override of it, at one deployment. Shares are of 1."""

    name: str
    waiting: int
    oldest_s: float
    patience_s: float
    """How long the oldest waits at most."""
    tenants: int
    """That wait, parked ones included."""
    parked: int
    promised: float
    """Its share while every tier of the table waits."""
    got: float | None
    """Its share of what was granted within this minute and the last; None when nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamPanel:
    deployment: Deployment
    gauges: Sequence[Gauge]
    account_gauges: Sequence[Gauge]
    """Of the whole account, which other deployments use too."""
    state: UpstreamState | None
    """None when Redis does not answer, or what it holds of it cannot be read."""
    sentences: Sequence[str]
    """What holds calls back now."""
    lines: Sequence[TierLine]
    sample: UpstreamSample | None
    """How it stood when somebody looked last; only where there is no state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsPage:
    panels: Sequence[UpstreamPanel]
    tiers: Sequence[Tier]
    trouble: str
    """Plain words when Redis does not answer, else empty."""

    @property
    def tier_names(self) -> Mapping[str, str]:
        """Name by slug."""
        return {tier.slug: tier.name for tier in self.tiers}


_UNREADABLE = (
    "What Redis holds of this deployment cannot be read, so its calls fail. The server's log says why. Below "
    "is how it was last seen."
)


def limits_page(project: Project) -> LimitsPage:
    """Deployments that are called at all, each with its state, and the tiers that share them."""
    deployments = callable_deployments(project)
    tiers = list(Tier.objects.all())
    names = {tier.slug: tier.name for tier in tiers}
    try:
        states, trouble = upstream_states(upstream_of(deployment.pk) for deployment in deployments), ""
    except LimiterUnavailableError:
        states, trouble = {}, NO_REDIS
    unseen = [deployment for deployment in deployments if upstream_of(deployment.pk) not in states]
    seen = last_samples(unseen) if unseen else {}
    panels = [
        _panel(deployment, state, project, names)
        if (state := states.get(upstream_of(deployment.pk)))
        else _last_seen(deployment, seen.get(deployment.pk), () if trouble else (_UNREADABLE,))
        for deployment in deployments
    ]
    return LimitsPage(panels=panels, tiers=tiers, trouble=trouble)


def own_overrides(project: Project) -> Sequence[TierOverride]:
    """What the whole project gets otherwise than the tiers give."""
    return list(TierOverride.objects.filter(project=project, end_user=""))


def callable_deployments(project: Project) -> Sequence[Deployment]:
    """The project's deployments without recordings, which have no limits because nobody is called."""
    return list(deployments_of(project).exclude(account__kind=ProviderKind.RECORDED))


def _panel(
    deployment: Deployment, state: UpstreamState, project: Project, tiers: Mapping[str, str]
) -> UpstreamPanel:
    """One that no call has used yet is full."""
    return UpstreamPanel(
        deployment=deployment,
        gauges=_gauges(state.buckets, state.share) if state.buckets else list(_full(deployment, deployment)),
        account_gauges=_gauges(state.account, 1.0)
        if state.account
        else list(_full(deployment, deployment.account)),
        state=state,
        sentences=list(state_sentences(state)),
        lines=_lines(state.lines, project.pk, tiers),
        sample=None,
    )


def _last_seen(
    deployment: Deployment, sample: UpstreamSample | None, sentences: Sequence[str]
) -> UpstreamPanel:
    levels = sample.levels if sample else {}
    return UpstreamPanel(
        deployment=deployment,
        gauges=list(_full(deployment, deployment, levels, known=False)),
        account_gauges=list(_full(deployment, deployment.account, levels, known=False, above="account ")),
        state=None,
        sentences=sentences,
        lines=(),
        sample=sample,
    )


def _gauges(buckets: Iterable[BucketState], share: float) -> list[Gauge]:
    return [
        Gauge(
            label=UNITS[bucket.unit],
            limit=bucket.limit,
            level=min(max(bucket.level, 0.0), bucket.limit),
            note=bucket_note(bucket, share),
        )
        for bucket in buckets
    ]


def _full(
    deployment: Deployment,
    limits: Deployment | ProviderAccount,
    seen: Mapping[str, float] | None = None,
    *,
    known: bool = True,
    above: str = "",
) -> Iterator[Gauge]:
    """The configured limits, full where nobody has called yet, else as they were seen last."""
    for unit, label in UNITS.items():
        limit = getattr(limits, unit)
        if limit is None:
            continue
        kind = deployment.day_window if unit.endswith("d") else deployment.window
        yield Gauge(
            label=label,
            limit=limit,
            level=limit if known else None,
            seen=(seen or {}).get(f"{above}{unit}"),
            note=window_words(kind if limits is deployment else "continuous", unit),
        )


def _lines(found: Iterable[LineState], project_id: int, tiers: Mapping[str, str]) -> list[TierLine]:
    """Lines that wait or were served within two minutes; those of other projects as one for each tier.

    Beyond ``MOST_LINES``, those where fewest wait, and of these such as got least, are one row at the end.
    """
    together: dict[str, list[LineState]] = {}
    for line in found:
        if line.waiting or line.served:
            together.setdefault(line_name(line.name, project_id, tiers), []).append(line)
    weights = sum(line.weight for lines in together.values() for line in lines)
    served = sum(line.served for lines in together.values() for line in lines)
    ranked = sorted(together.items(), key=lambda named: _rank(named[1]))
    shown = [_line(name, lines, weights, served) for name, lines in ranked[:MOST_LINES]]
    shown.sort(key=lambda line: -line.promised)
    if rest := ranked[MOST_LINES:]:
        name = f"{len(rest):,} other{'s' if len(rest) > 1 else ''}"
        shown.append(_line(name, [line for _, lines in rest for line in lines], weights, served))
    return shown


def _rank(lines: Sequence[LineState]) -> tuple[int, float]:
    """Sorts by how many wait, then by what was got, the most first."""
    return -sum(line.waiting for line in lines), -sum(line.served for line in lines)


def _line(name: str, lines: Sequence[LineState], weights: int, served: float) -> TierLine:
    oldest = max(lines, key=lambda line: line.oldest_s)
    return TierLine(
        name=name,
        waiting=sum(line.waiting for line in lines),
        oldest_s=oldest.oldest_s,
        patience_s=oldest.patience_s,
        tenants=sum(line.tenants for line in lines),
        parked=sum(line.parked for line in lines),
        promised=sum(line.weight for line in lines) / weights,
        got=sum(line.served for line in lines) / served if served else None,
    )
