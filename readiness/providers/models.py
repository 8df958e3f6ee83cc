"""Where AI services are reached, with which credential, quota and price."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from readiness.projects.models import Project


class ProviderKind(models.TextChoices):
    """Wire format of a provider account; each has a client in the registry."""

    OPENAI = "openai", "OpenAI-compatible API"
    RECORDED = "recorded", "Recorded outputs (imported)"


class ProviderAccount(models.Model):
    """One credential at one company or server. Without a project it serves the whole site."""

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
        ]

    def __str__(self) -> str:
        return self.name


class Deployment(models.Model):
    """One reachable model with its quota. Credential and model together are one upstream for the limiter."""

    account = models.ForeignKey(ProviderAccount, on_delete=models.CASCADE, related_name="deployments")
    name = models.CharField(max_length=100)
    model = models.CharField("model id", max_length=200)
    parameters = models.JSONField(default=dict, blank=True)
    """Default call parameters such as ``{"temperature": 0}``; a prompt version's own win."""
    max_output_tokens = models.PositiveIntegerField(default=512, validators=[MinValueValidator(1)])
    rpm = models.PositiveIntegerField("requests per minute", null=True, blank=True)
    tpm = models.PositiveIntegerField("tokens per minute", null=True, blank=True)
    rpd = models.PositiveIntegerField("requests per day", null=True, blank=True)
    concurrency = models.PositiveIntegerField("calls in flight", null=True, blank=True)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["account__name", "name"]
        constraints = [
            models.UniqueConstraint(fields=["account", "model"], name="one_deployment_per_upstream"),
            *[
                models.CheckConstraint(
                    condition=Q(**{f"{unit}__isnull": True}) | Q(**{f"{unit}__gte": 1}),
                    name=f"deployment_{unit}_positive",
                )
                for unit in ("rpm", "tpm", "rpd", "concurrency")
            ],
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
