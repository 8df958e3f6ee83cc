"""Projects, who may do what in them, the tiers that share the quota, and what anybody may use of it."""

from collections.abc import Collection
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import CheckConstraint, Q


class Category(models.TextChoices):
    """What the model makes. The first six and reinforcement learning are the article's; the last is ours."""

    TEXT = "text", "Text generation"
    IMAGE = "image", "Image generation"
    SPEECH = "speech", "Voice generation"
    MUSIC = "music", "Music and sound generation"
    VIDEO = "video", "Video generation"
    DECISION = "decision", "General-purpose reinforcement learning"
    FUTURE = "future", "Future directions: analysis, prediction, automation"
    CUSTOM = "custom", "Something else"


class Role(models.TextChoices):
    """What a member may do, weakest first."""

    VIEWER = "viewer", "Viewer: reads everything, changes nothing"
    MEMBER = "member", "Member: imports data, runs benchmarks and spot-checks"
    REVIEWER = "reviewer", "Reviewer: a member who also decides reviews"
    ADMIN = "admin", "Admin: also people, providers and settings"

    @property
    def rank(self) -> int:
        return list(Role).index(self)

    def covers(self, needed: "Role") -> bool:
        return self.rank >= needed.rank


class Project(models.Model):
    """A product on its way to production, with the requirements it is judged by."""

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=60, unique=True)
    category = models.CharField(max_length=20, choices=Category, default=Category.TEXT)
    use_case = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    latency_p95_ms = models.PositiveIntegerField("latency limit, p95 (ms)", null=True, blank=True)
    ttft_p95_ms = models.PositiveIntegerField("time to first token, p95 (ms)", null=True, blank=True)
    cost_per_request_nanos = models.BigIntegerField(
        "cost limit per request (nano-dollars)", null=True, blank=True
    )
    licence = models.CharField("licence and terms", max_length=200, blank=True)
    region = models.CharField("region of processing", max_length=100, blank=True)
    is_demo = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        through="Membership",
        through_fields=("project", "user"),
        related_name="projects",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One person's role in one project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=20, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["user__username"]
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="one_membership_per_project"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="known_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"


LEAST_USD, MOST_USD = Decimal("0.01"), Decimal(9_000_000)
"""Smallest and largest budget. Scripts count nano-dollars in doubles, which are exact below 2 ** 53."""


class Limits(models.Model):
    """Limits on what a subject may use, each of its own; None is no limit, in an override the inherited one.

    The days and months of the budgets begin at midnight in ``settings.BUDGET_TIME_ZONE``.
    """

    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)]
    )
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    usd_per_day = models.DecimalField("USD per day", max_digits=12, decimal_places=2, null=True, blank=True)
    usd_per_month = models.DecimalField(
        "USD per month", max_digits=12, decimal_places=2, null=True, blank=True
    )

    class Meta:
        abstract = True


LIMIT_FIELDS = ("requests_per_minute", "tokens_per_minute", "usd_per_day", "usd_per_month")


def _none_or_within(
    field: str, name: str, *, least: Decimal | int = 1, most: Decimal | int | None = None
) -> CheckConstraint:
    within = Q(**{f"{field}__gte": least})
    if most is not None:
        within &= Q(**{f"{field}__lte": most})
    return CheckConstraint(condition=Q(**{f"{field}__isnull": True}) | within, name=name)


def _sane_limits(table: str) -> list[CheckConstraint]:
    return [
        _none_or_within("requests_per_minute", f"{table}_requests_positive"),
        _none_or_within("tokens_per_minute", f"{table}_tokens_positive"),
        _none_or_within("usd_per_day", f"{table}_day_within", least=LEAST_USD, most=MOST_USD),
        _none_or_within("usd_per_month", f"{table}_month_within", least=LEAST_USD, most=MOST_USD),
    ]


def _sane_shares(table: str) -> list[CheckConstraint]:
    return [
        _none_or_within("concurrency", f"{table}_concurrency_positive"),
        _none_or_within("share_cap_percent", f"{table}_share_cap_within", most=100),
    ]


def _sets_something(table: str, fields: Collection[str]) -> CheckConstraint:
    any_set = Q()
    for field in fields:
        any_set |= Q(**{f"{field}__isnull": False})
    return CheckConstraint(condition=any_set, name=f"{table}_sets_something")


class Tier(Limits):
    """A class of traffic and its share of every upstream's quota. Site-wide."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    weight = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    """Share against the other tiers that wait at the same upstream."""
    longest_wait_seconds = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(86_400)]
    )
    """A request that would wait longer is refused instead of queued."""
    concurrency = models.PositiveIntegerField("calls in flight per tenant", null=True, blank=True)
    """A tenant that has as many calls in flight waits, however free the provider is."""
    share_cap_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    """Most of any upstream's quota that the tier may use, even when nobody else wants it."""
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-weight", "slug"]
        constraints = [
            models.CheckConstraint(condition=Q(weight__gte=1), name="tier_weight_positive"),
            *_sane_limits("tier"),
            *_sane_shares("tier"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_limits(self) -> bool:
        """Whether anything holds or refuses its requests but the providers' own limits."""
        return any(getattr(self, field) for field in ("concurrency", "share_cap_percent", *LIMIT_FIELDS))


OVERRIDABLE = ("weight", "longest_wait_seconds", "concurrency", "share_cap_percent", *LIMIT_FIELDS)
"""What a tier's override may set otherwise; None there means as the tier has it."""


class TierOverride(Limits):
    """A tier for one project, or for one end user of it: None is inherited.

    From the project's override for an end user's, else from the tier. Who has one stands in a line of its own
    in the queue; a limit that it sets is counted apart, one that it inherits together with everybody else's.
    """

    tier = models.ForeignKey(Tier, on_delete=models.CASCADE, related_name="overrides")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="tier_overrides")
    end_user = models.CharField(max_length=200, blank=True)
    """As the project's app names them; empty for everybody in the project."""
    weight = models.PositiveIntegerField(null=True, blank=True)
    longest_wait_seconds = models.PositiveIntegerField(null=True, blank=True)
    concurrency = models.PositiveIntegerField("calls in flight per tenant", null=True, blank=True)
    share_cap_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["tier", "project__name", "end_user"]
        constraints = [
            models.UniqueConstraint(fields=["tier", "project", "end_user"], name="one_override_per_subject"),
            _none_or_within("weight", "override_weight_within", most=1000),
            _none_or_within("longest_wait_seconds", "override_wait_within", most=86_400),
            *_sane_limits("override"),
            *_sane_shares("override"),
            _sets_something("override", OVERRIDABLE),
        ]

    def __str__(self) -> str:
        return f"{self.tier} for {self.whom}"

    @property
    def whom(self) -> str:
        return f"“{self.end_user}” of {self.project}" if self.end_user else str(self.project)


class AllowanceKind(models.TextChoices):
    """Whose use an allowance limits."""

    ALL = "all", "Everything together"
    API_KEY = "api_key", "One API key"
    END_USER = "end_user", "End users"


class Allowance(Limits):
    """What a subject may use over all tiers and deployments. Over it a call is refused at once."""

    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="allowances"
    )
    """None for the whole site; for an API key the project that its allowance is shown to."""
    kind = models.CharField(max_length=20, choices=AllowanceKind)
    subject = models.CharField(max_length=200, blank=True)
    """Id of the API key, or the end user as the project's app names them; empty for each end user alike."""
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["project__name", "kind", "subject"]
        constraints = [
            models.UniqueConstraint(fields=["project", "kind", "subject"], name="one_allowance_per_subject"),
            # SQLite has no NULLS NOT DISTINCT, so the whole site and keys have constraints of their own.
            models.UniqueConstraint(
                fields=["kind"], condition=Q(project=None, kind="all"), name="one_allowance_for_the_site"
            ),
            models.UniqueConstraint(
                fields=["subject"], condition=Q(kind="api_key"), name="one_allowance_per_api_key"
            ),
            models.CheckConstraint(
                condition=Q(kind=AllowanceKind.ALL, subject="")
                | (Q(kind=AllowanceKind.API_KEY) & ~Q(subject=""))
                | Q(kind=AllowanceKind.END_USER, project__isnull=False),
                name="allowance_has_a_subject",
            ),
            *_sane_limits("allowance"),
            _sets_something("allowance", LIMIT_FIELDS),
        ]

    def __str__(self) -> str:
        return f"{self.whom[:1].upper()}{self.whom[1:]}"

    @property
    def whom(self) -> str:
        whose = str(self.project) if self.project else "the whole site"
        match self.kind:
            case AllowanceKind.API_KEY:
                return f"API key {self.subject}" + (f" of {whose}" if self.project else "")
            case AllowanceKind.END_USER:
                return f"“{self.subject}” of {whose}" if self.subject else f"each end user of {whose}"
        return whose
