"""Where AI services are reached, with which credential, quota and price."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from readiness.projects.models import Project
from readiness.providers.base import Accounting, WindowKind

LIMITS = ("rpm", "tpm", "rpd", "tpd", "itpm", "otpm", "concurrency")
"""Columns that hold a provider's limits, on accounts and on deployments; null where there is none."""

_ACCOUNTINGS = (
    (Accounting.OPENAI.value, "Longest answer, in advance (OpenAI)"),
    (Accounting.ANTHROPIC.value, "Input and output apart (Anthropic)"),
)
_WINDOWS = (
    (WindowKind.CONTINUOUS.value, "Refill steadily"),
    (WindowKind.SLIDING.value, "Sliding window"),
    (WindowKind.FIXED.value, "Start afresh at fixed times"),
)
_WINDOW_KINDS = [value for value, _ in _WINDOWS]


def _limits_positive(table: str) -> list[models.CheckConstraint]:
    """A limit of 0 would let nothing through; no limit is null."""
    return [
        models.CheckConstraint(
            condition=Q(**{f"{unit}__isnull": True}) | Q(**{f"{unit}__gte": 1}),
            name=f"{table}_{unit}_positive",
        )
        for unit in LIMITS
    ]


class ProviderKind(models.TextChoices):
    """Wire format of a provider account; each has a client in the registry."""

    OPENAI = "openai", "OpenAI-compatible API"
    ANTHROPIC = "anthropic", "Anthropic API"
    RECORDED = "recorded", "Recorded outputs (imported)"


class UpstreamLimits(models.Model):
    """What a provider allows; null where it sets no limit."""

    rpm = models.PositiveIntegerField("requests per minute", null=True, blank=True)
    tpm = models.PositiveIntegerField("tokens per minute", null=True, blank=True)
    rpd = models.PositiveIntegerField("requests per day", null=True, blank=True)
    tpd = models.PositiveBigIntegerField("tokens per day", null=True, blank=True)
    itpm = models.PositiveIntegerField("input tokens per minute", null=True, blank=True)
    otpm = models.PositiveIntegerField("output tokens per minute", null=True, blank=True)
    concurrency = models.PositiveIntegerField("calls in flight", null=True, blank=True)

    class Meta:
        abstract = True


class ProviderAccount(UpstreamLimits):
    """One credential at one company or server. Without a project it serves the whole site.

    Its limits are those of the whole account, above the quotas of its deployments.
    """

    project = models.ForeignKey(
        Project, null=True, blank=True, on_delete=models.CASCADE, related_name="provider_accounts"
    )
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, choices=ProviderKind, default=ProviderKind.OPENAI)
    # Not a URLField: that one refuses the one-word host names of a private network, such as http://vllm:8000/v1.
    base_url = models.CharField("base URL", max_length=300, blank=True)
    credential_encrypted = models.BinaryField(blank=True, default=b"", editable=False)
    """Fernet token of the API key; see ``readiness.lib.crypto``."""
    simulated = models.BooleanField(default=False)
    """True for the simulated AI service: everything from it is marked Simulated."""
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="one_account_name_per_project"),
            # SQLite has no NULLS NOT DISTINCT, so accounts of the whole site have a constraint of their own.
            models.UniqueConstraint(
                fields=["name"], condition=Q(project=None), name="one_account_name_for_the_site"
            ),
            models.CheckConstraint(condition=Q(kind__in=ProviderKind.values), name="known_provider_kind"),
            *_limits_positive("account"),
        ]

    def __str__(self) -> str:
        return self.name


class Deployment(UpstreamLimits):
    """One reachable model with its quota. Credential and model together are one upstream for the limiter."""

    account = models.ForeignKey(ProviderAccount, on_delete=models.CASCADE, related_name="deployments")
    name = models.CharField(max_length=100)
    model = models.CharField("model id", max_length=200)
    parameters = models.JSONField(default=dict, blank=True)
    """Default call parameters such as ``{"temperature": 0}``; a prompt version's own win."""
    max_output_tokens = models.PositiveIntegerField(default=512, validators=[MinValueValidator(1)])
    accounting = models.CharField(max_length=20, choices=_ACCOUNTINGS, default=Accounting.OPENAI.value)
    window = models.CharField(max_length=20, choices=_WINDOWS, default=WindowKind.CONTINUOUS.value)
    """How the limits per minute come back."""
    day_window = models.CharField(max_length=20, choices=_WINDOWS, default=WindowKind.CONTINUOUS.value)
    """How the limits per day come back."""
    zone = models.CharField(max_length=64, default="UTC")
    """IANA time zone in whose midnight a fixed day begins."""
    edge_second = models.PositiveSmallIntegerField(default=0, validators=[MaxValueValidator(59)])
    """Second of the minute at which a fixed minute begins."""
    jitter_ms = models.PositiveIntegerField(default=500, validators=[MaxValueValidator(60_000)])
    """Most milliseconds by which the time on the way to the provider is expected to vary."""
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["account__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["account", "model"], name="one_deployment_per_upstream"),
            *_limits_positive("deployment"),
            models.CheckConstraint(
                condition=Q(accounting__in=[value for value, _ in _ACCOUNTINGS]),
                name="deployment_known_accounting",
            ),
            models.CheckConstraint(
                condition=Q(window__in=_WINDOW_KINDS) & Q(day_window__in=_WINDOW_KINDS),
                name="deployment_known_windows",
            ),
            models.CheckConstraint(condition=Q(edge_second__lte=59), name="deployment_edge_in_the_minute"),
            models.CheckConstraint(condition=Q(jitter_ms__lte=60_000), name="deployment_jitter_of_a_minute"),
        ]

    def __str__(self) -> str:
        return self.name


class PriceUnit(models.TextChoices):
    """Native units in which providers charge."""

    INPUT_TOKEN = "input_token", "Input tokens"
    CACHED_INPUT_TOKEN = "cached_input_token", "Cached input tokens"
    OUTPUT_TOKEN = "output_token", "Output tokens"
    REQUEST = "request", "Requests"


class PriceOverride(models.Model):
    """A price that replaces the public one from a date on."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="price_overrides")
    unit = models.CharField(max_length=30, choices=PriceUnit)
    usd_per_million = models.DecimalField(
        "USD per million units", max_digits=14, decimal_places=6, validators=[MinValueValidator(0)]
    )
    effective_from = models.DateField()

    class Meta:
        ordering = ["deployment", "unit", "-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment", "unit", "effective_from"], name="one_price_per_unit_and_day"
            ),
            models.CheckConstraint(condition=Q(usd_per_million__gte=0), name="price_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.get_unit_display()}: {self.usd_per_million} USD per million from {self.effective_from}"
