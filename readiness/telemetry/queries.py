"""Reads of traffic, from rollups wherever a range is longer than a run."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from readiness.lib.events import Outcome
from readiness.lib.histogram import Histogram
from readiness.lib.scopes import Scope, ScopeKind
from readiness.projects.models import Project, Tier
from readiness.projects.queries import overrides_with_budget
from readiness.providers.models import Deployment
from readiness.telemetry.models import Grain, RequestRecord, Rollup
from readiness.telemetry.ranges import RANGES, Piece, Range, pieces
from readiness.telemetry.tallies import UNSEEN, window_start


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What the traffic page is narrowed to; empty means everything."""

    deployment_id: int | None = None
    tier: str = ""
    purpose: str = ""


@dataclass(slots=True)
class Window:
    """One window of the charts, all keys together. Counts, nano-dollars and histograms of milliseconds."""

    start: datetime
    requests: int = 0
    delivered: int = 0
    failed: int = 0
    orphaned: int = 0
    attempts: int = 0
    upstream_429: int = 0
    refused: int = 0
    absorbed: int = 0
    cost_by_deployment: dict[int | None, int] = field(default_factory=lambda: defaultdict(int))
    latency: Histogram = field(default_factory=Histogram)
    queue_wait: Histogram = field(default_factory=Histogram)

    @property
    def cost_nanos(self) -> int:
        return sum(self.cost_by_deployment.values())


_COUNTS = ("requests", "delivered", "failed", "orphaned", "attempts", "upstream_429", "refused", "absorbed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """All that the traffic page shows of one range."""

    windows: Sequence[Window]
    total: Window
    deployments: dict[int | None, str]
    """Names of the deployments that cost something, by id."""
    simulated: bool
    """True when any of it comes from the simulated AI service."""

    @property
    def is_empty(self) -> bool:
        return self.total.requests == 0 and self.total.attempts == 0


def traffic(project: Project, chosen: Range, filters: Filters, now: datetime) -> Traffic:
    """Windows and totals of a range; one query for the rollups and one for the names."""
    starts = chosen.windows(now)
    windows = {start: Window(start) for start in starts}
    total = Window(starts[0])
    for row in _rollups(project, chosen.grain, starts[0], filters).iterator(chunk_size=2_000):
        if window := windows.get(row.start):
            _add(window, row)
            _add(total, row)
    used = Deployment.objects.filter(pk__in=[pk for pk in total.cost_by_deployment if pk])
    rows = list(used.values_list("pk", "name", "account__simulated"))
    return Traffic(
        windows=list(windows.values()),
        total=total,
        deployments={pk: name for pk, name, _ in rows} | {None: "Deleted deployments"},
        simulated=any(simulated for _, _, simulated in rows),
    )


def usual_range(project: Project, now: datetime) -> Range:
    """The range that a visitor sees first: the last hour while there is nothing older, else a day."""
    older = Rollup.objects.filter(project=project, grain=Grain.HOUR, start__lt=now - timedelta(hours=2))
    return RANGES["24h"] if older.exists() else RANGES["1h"]


def _rollups(project: Project, grain: Grain, since: datetime, filters: Filters) -> QuerySet[Rollup]:
    rows = Rollup.objects.filter(project=project, grain=grain, start__gte=since).defer("ttft")
    if filters.deployment_id:
        rows = rows.filter(deployment_id=filters.deployment_id)
    if filters.tier:
        rows = rows.filter(tier=filters.tier)
    if filters.purpose:
        rows = rows.filter(purpose=filters.purpose)
    return rows


def _add(window: Window, row: Rollup) -> None:
    for name in _COUNTS:
        setattr(window, name, getattr(window, name) + getattr(row, name))
    window.cost_by_deployment[row.deployment_id] += row.cost_nanos
    window.latency.merge(Histogram.from_json(row.latency))
    window.queue_wait.merge(Histogram.from_json(row.queue_wait))


def filter_choices(project: Project) -> dict[str, Iterable[tuple[str, str]]]:
    """What the filters of the traffic page offer."""
    deployments = Deployment.objects.filter(
        Q(account__project=project) | Q(account__project=None), rollups__project=project
    ).distinct()
    return {
        "deployments": [(str(pk), name) for pk, name in deployments.values_list("pk", "name")],
        "tiers": list(Tier.objects.values_list("slug", "name")),
    }


def spend_nanos(project: Project, since: datetime) -> int:
    """Spend from the hour that ``since`` lies in."""
    rows = Rollup.objects.filter(
        project=project, grain=Grain.HOUR, start__gte=window_start(since, Grain.HOUR)
    )
    return rows.aggregate(nanos=Sum("cost_nanos"))["nanos"] or 0


def spent_nanos(scope: Scope, since: datetime, until: datetime, *, now: datetime | None = None) -> int:
    """Money recorded for a scope from ``since`` up to but without ``until``, whatever became of the calls.

    ``now`` says which finer rollups are kept still. Exact at any age where both edges are full hours of UTC,
    for 32 days where they are quarters, and to the millisecond while request records are kept; sums of API
    keys and end users go back as far as records do. What is still in the stream does not count.

    A tier, or its override for a project, is without the calls of those whose override as it is now sets a
    budget of its own, because those count there alone. Which budget is asked for, ``since`` says: one that
    lies on the first of a month (in ``settings.BUDGET_TIME_ZONE``) asks for the month's, any other for the
    day's. On that first day itself both begin together, and an override that sets either is left out.
    """
    if scope.api_key or scope.end_user:
        return _records_nanos(_records_of(scope), [Piece(None, since, until)])
    now = now or timezone.now()
    counted, apart = _counted(scope, since, now)
    # What is subtracted is read first: a call that is recorded meanwhile must not be in it alone.
    spent = -sum(_records_nanos(which, [Piece(None, since, until)]) for which in apart)
    cut = list(pieces(since, until, now))
    spent += _rollups_nanos(counted, [piece for piece in cut if piece.grain])
    spent += _records_nanos(counted, [piece for piece in cut if not piece.grain])
    if not scope.project_id:
        # Calls whose project was deleted before they were recorded are in no rollup.
        spent += _records_nanos(Q(project=None) & _of_tier(scope), [Piece(None, since, until)])
    return spent


def _of_tier(scope: Scope) -> Q:
    return Q(tier=scope.tier) if scope.kind is ScopeKind.TIER else Q()


def _counted(scope: Scope, since: datetime, now: datetime) -> tuple[Q, list[Q]]:
    """Rollups and records of a scope without an end user, and those records among them that count elsewhere.

    Rollups know no end users, so that the money of these has to be subtracted.
    """
    of_project = Q(project=scope.project_id) if scope.project_id else Q(project__isnull=False)
    counted = of_project & _of_tier(scope)
    if scope.kind is not ScopeKind.TIER:
        return counted, []
    own = overrides_with_budget(scope.tier, _budgets_from(since, now)).order_by()
    users = own.exclude(end_user="")
    if scope.project_id:
        users = users.filter(project=scope.project_id)
    else:
        projects = own.filter(end_user="").values("project")
        counted, users = counted & ~Q(project__in=projects), users.exclude(project__in=projects)
    named = Q(tier=scope.tier) & ~Q(end_user="")
    return counted, [
        named & Q(project=project_id, end_user__in=users.filter(project=project_id).values("end_user"))
        for project_id in users.values_list("project_id", flat=True).distinct()
    ]


def _budgets_from(since: datetime, now: datetime) -> list[str]:
    """Which budgets of overrides may be asked for from the moment on; both on the first of the month."""
    zone = ZoneInfo(settings.BUDGET_TIME_ZONE)
    first, today = since.astimezone(zone).date(), now.astimezone(zone).date()
    if first.day != 1:
        return ["usd_per_day"]
    return ["usd_per_day", "usd_per_month"] if first == today else ["usd_per_month"]


def _records_of(scope: Scope) -> Q:
    """Records of an API key or an end user. ``~Q`` repeats the index's condition, which SQLite asks for."""
    if scope.kind is ScopeKind.API_KEY:
        return Q(api_key=scope.api_key) & ~Q(api_key="")
    found = Q(project=scope.project_id, end_user=scope.end_user) & ~Q(end_user="")
    return found & Q(tier=scope.tier) if scope.kind is ScopeKind.TIER else found


def _records_nanos(which: Q, spans: Sequence[Piece]) -> int:
    return sum(
        _sum_nanos(RequestRecord.objects.filter(which, at__gte=span.since, at__lt=span.until))
        for span in spans
    )


def _rollups_nanos(which: Q, spans: Sequence[Piece]) -> int:
    return sum(
        _sum_nanos(
            Rollup.objects.filter(which, grain=span.grain, start__gte=span.since, start__lt=span.until)
        )
        for span in spans
    )


def _sum_nanos(rows: QuerySet[RequestRecord] | QuerySet[Rollup]) -> int:
    total: int = rows.aggregate(nanos=Sum("cost_nanos", default=0))["nanos"]
    return total


def upstream_429_count(project: Project, deployment: Deployment, since: datetime) -> tuple[int, int]:
    """(429s from the provider, attempts that reached it) since the hour that ``since`` lies in."""
    rows = Rollup.objects.filter(
        project=project,
        deployment=deployment,
        grain=Grain.HOUR,
        start__gte=window_start(since, Grain.HOUR),
    )
    sums = rows.aggregate(limited=Sum("upstream_429"), attempts=Sum("attempts"))
    return sums["limited"] or 0, sums["attempts"] or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What was recorded of the signals that are watched together."""

    attempts: int
    """Attempts at providers: each says whether it was a 429 or another error."""
    waits: bool
    """Whether any request's wait in the queue was recorded."""
    spend_nanos: int


def recorded_signals(project: Project, since: datetime) -> Signals:
    """Signals recorded from the hour that ``since`` lies in; one query."""
    rows = Rollup.objects.filter(
        project=project, grain=Grain.HOUR, start__gte=window_start(since, Grain.HOUR)
    )
    found = rows.aggregate(
        attempts=Sum("attempts", default=0),
        nanos=Sum("cost_nanos", default=0),
        waits=Count("id", filter=~Q(queue_wait={})),
    )
    return Signals(attempts=found["attempts"], waits=found["waits"] > 0, spend_nanos=found["nanos"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerLine:
    """What the records say of one deployment in one run, to be held against the provider's own ledger."""

    deployment_id: int | None
    attempts: int
    orphans: int
    upstream_429: int
    input_tokens: int
    output_tokens: int


def run_ledger(run_id: str) -> list[LedgerLine]:
    """Attempts that reached a provider for a run, by deployment, from the raw records. Orphans are apart:
    their tokens are estimates and are left out of the sums."""
    settled = ~Q(outcome=Outcome.ORPHANED)
    rows = (
        RequestRecord.objects.filter(run_id=run_id)
        .exclude(Q(outcome__in=[Outcome.REFUSED, Outcome.EXPIRED]) | Q(error_class__in=UNSEEN))
        .values("deployment_id")
        .annotate(
            attempts=Count("id", filter=settled),
            orphans=Count("id", filter=Q(outcome=Outcome.ORPHANED)),
            upstream_429=Count("id", filter=Q(http_status=429)),
            input_tokens=Sum("input_tokens", filter=settled, default=0),
            output_tokens=Sum("output_tokens", filter=settled, default=0),
        )
        .order_by("deployment_id")
    )
    return [LedgerLine(**row) for row in rows]
