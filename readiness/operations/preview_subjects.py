"""What a preview is about: a tier, an override or an allowance, saved or not yet."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from django.urls import reverse

from readiness.accounts.models import User
from readiness.limits import services
from readiness.limits.policy import edited_fields, published_fields
from readiness.projects.models import (
    LIMIT_FIELDS,
    OVERRIDABLE,
    Allowance,
    AllowanceKind,
    Project,
    Tier,
    TierOverride,
)

Row = Tier | TierOverride | Allowance


class SubjectKind(StrEnum):
    TIER = "tier"
    OVERRIDE = "override"
    ALLOWANCE = "allowance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Names a row of policy by what it is for, so that one that is not saved yet has a name too."""

    kind: SubjectKind
    tier: str = ""
    """Slug."""
    project_id: int | None = None
    end_user: str = ""
    """Of an override."""
    allowance: str = ""
    """An ``AllowanceKind``."""
    whom: str = ""
    """The allowance's API key or end user."""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**{**stored, "kind": SubjectKind(stored["kind"])})

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def fields(self) -> tuple[str, ...]:
        """Columns that are edited."""
        match self.kind:
            case SubjectKind.TIER:
                return ("name", *OVERRIDABLE)
            case SubjectKind.OVERRIDE:
                return OVERRIDABLE
        return LIMIT_FIELDS

    def row(self, *, locked: bool = False) -> Row:
        """As it is saved; a fresh one without a key where it is not. Raises ``DoesNotExist`` for a tier.

        An API key has one allowance, whichever project it was set for: that one counts here.
        """
        match self.kind:
            case SubjectKind.TIER:
                tiers = Tier.objects.select_for_update() if locked else Tier.objects
                return tiers.get(slug=self.tier)
            case SubjectKind.OVERRIDE:
                overrides = TierOverride.objects.select_for_update() if locked else TierOverride.objects
                own: dict[str, Any] = {
                    "tier": Tier.objects.get(slug=self.tier),
                    "project_id": self.project_id,
                    "end_user": self.end_user,
                }
                return overrides.filter(**own).first() or TierOverride(**own)
        allowances = Allowance.objects.select_for_update(of=("self",)) if locked else Allowance.objects
        named: dict[str, Any] = {"kind": self.allowance, "subject": self.whom}
        of_project = named | {"project_id": self.project_id}
        saved = allowances.filter(**(named if self.allowance == AllowanceKind.API_KEY else of_project))
        return saved.first() or Allowance(**of_project)

    def current(self, *, locked: bool = False) -> dict[str, Any]:
        """Column → value as it is saved; empty where nothing is."""
        row = self.row(locked=locked)
        return {name: getattr(row, name) for name in self.fields} if row.pk else {}

    def read(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Values as they were before they became JSON."""
        model = {SubjectKind.TIER: Tier, SubjectKind.OVERRIDE: TierOverride}.get(self.kind, Allowance)
        return {name: model._meta.get_field(name).to_python(value) for name, value in stored.items()}  # type: ignore[union-attr]

    def covers(self, *, tier: str, project_id: int, end_user: str) -> bool:
        """Whether such a request stands in the override's line."""
        if self.kind is not SubjectKind.OVERRIDE or tier != self.tier or project_id != self.project_id:
            return False
        return not self.end_user or end_user == self.end_user

    def save(self, *, actor: User, values: Mapping[str, Any]) -> None:
        """Puts the values into force. Raises as the services of ``limits`` do."""
        project = Project.objects.get(pk=self.project_id) if self.project_id else None
        match self.kind:
            case SubjectKind.TIER:
                services.update_tier(actor=actor, tier=Tier.objects.get(slug=self.tier), values=values)
            case SubjectKind.OVERRIDE:
                assert project
                services.set_override(
                    actor=actor,
                    tier=Tier.objects.get(slug=self.tier),
                    project=project,
                    end_user=self.end_user,
                    values=values,
                )
            case SubjectKind.ALLOWANCE:
                services.set_allowance(
                    actor=actor,
                    project=project,
                    kind=AllowanceKind(self.allowance),
                    subject=self.whom,
                    values=values,
                )

    def address(self) -> str:
        """Of the page where it is edited, else of the list that it will be in."""
        row = self.row()
        match self.kind:
            case SubjectKind.TIER:
                return reverse("operations:tier", args=[self.tier])
            case SubjectKind.OVERRIDE:
                if row.pk:
                    return reverse("operations:override", args=[self.tier, row.pk])
                return reverse("operations:tier", args=[self.tier])
        return reverse("operations:allowance", args=[row.pk]) if row.pk else reverse("operations:allowances")


def policies(subject: Subject, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The policy in force, and as it would be with the values saved."""
    rows = (list(Tier.objects.all()), list(TierOverride.objects.all()), list(Allowance.objects.all()))
    edited = subject.row()
    for name, value in values.items():
        setattr(edited, name, value)
    return published_fields(*rows), edited_fields(edited, *rows)


def subject_of(row: Row) -> Subject:
    """Of a row, saved or not."""
    if isinstance(row, Tier):
        return Subject(kind=SubjectKind.TIER, tier=row.slug)
    if isinstance(row, TierOverride):
        return Subject(
            kind=SubjectKind.OVERRIDE,
            tier=row.tier.slug,
            project_id=row.project_id,
            end_user=row.end_user,
        )
    return Subject(
        kind=SubjectKind.ALLOWANCE, project_id=row.project_id, allowance=row.kind, whom=row.subject
    )
