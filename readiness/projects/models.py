"""Projects, who may do what in them, and the tiers that share the quota."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q


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


class Tier(models.Model):
    """A class of traffic and its share of every upstream's quota. Site-wide."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=60)
    weight = models.PositiveIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )
    """Share against the other tiers that wait at the same upstream."""
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)]
    )
    tokens_per_minute = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    longest_wait_seconds = models.PositiveIntegerField(
        default=60, validators=[MinValueValidator(1), MaxValueValidator(86_400)]
    )
    """A request that would wait longer is refused instead of queued."""
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-weight", "slug"]
        constraints = [
            models.CheckConstraint(condition=Q(weight__gte=1), name="tier_weight_positive"),
            models.CheckConstraint(
                condition=Q(requests_per_minute__isnull=True) | Q(requests_per_minute__gte=1),
                name="tier_requests_positive",
            ),
            models.CheckConstraint(
                condition=Q(tokens_per_minute__isnull=True) | Q(tokens_per_minute__gte=1),
                name="tier_tokens_positive",
            ),
        ]

    def __str__(self) -> str:
        return self.name
