"""What the catalogue's YAML files may say about steps and criteria."""

import re
from datetime import date
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, StrictBool, StrictInt, StringConstraints, model_validator

from readiness.checklist.catalogue.base import Frozen, ProducerName, Text
from readiness.checklist.catalogue.parts import PartRule

Kind = Literal["automatic", "human", "attested"]
"""Measured by the system; decided by people and counted by the system; vouched for by a person."""

FingerprintKey = Literal["M", "P", "D", "J", "R", "L", "C", "I", "V", "$", "F"]
FINGERPRINT_LABELS: dict[FingerprintKey, str] = {
    "M": "model",
    "P": "prompt version",
    "D": "dataset version",
    "J": "judge",
    "R": "enrichment sources",
    "L": "limits and tier quotas",
    "C": "cache settings",
    "I": "manifests and image",
    "V": "application version",
    "$": "price table",
    "F": "forecast",
}

Category = Literal["text", "image", "speech", "music", "video", "decision", "future", "custom"]
"""What the product makes: the categories a project may have, each with its own modality profile."""
CATEGORIES: tuple[Category, ...] = get_args(Category)

CriterionId = Annotated[str, StringConstraints(pattern=r"^[A-Z][1-9]$")]

_STANDARDS = {
    "owasp-llm-2026": (r"LLM(0[1-9]|10)", "OWASP Top 10 for LLM Applications 2026, {}"),
    "nist-ai-600-1": (r"2\.([1-9]|1[0-2])", "NIST AI 600-1, section {}"),
    "aws-generative-ai-lens": (
        r"GEN(OPS|SEC|REL|PERF|COST|SUS)\d\d-BP\d\d",
        "AWS Well-Architected Generative AI Lens, {}",
    ),
    "eu-ai-act": (r"Article \d+", "EU AI Act, {}"),
    "mlcommons-ailuminate": (r"v1\.\d", "MLCommons AILuminate {}"),
}


class Reference(Frozen):
    """A place in a public standard that asks for the same thing."""

    standard: Literal[
        "owasp-llm-2026", "nist-ai-600-1", "aws-generative-ai-lens", "eu-ai-act", "mlcommons-ailuminate"
    ]
    id: str

    @model_validator(mode="after")
    def _id_belongs_to_the_standard(self) -> Self:
        pattern, _ = _STANDARDS[self.standard]
        if not re.fullmatch(pattern, self.id):
            raise ValueError(f"{self.id!r} is not an entry of {self.standard}")
        return self

    @property
    def label(self) -> str:
        return _STANDARDS[self.standard][1].format(self.id)


class Fix(Frozen):
    """What turns the criterion: words for everybody, and the page that does it where this version has one."""

    text: Text
    action: Annotated[str, StringConstraints(pattern=r"^[a-z]+:[a-z_]+$")] | None = None
    """URL name of that page, ``app:name``."""
    label: Annotated[str, StringConstraints(min_length=3, max_length=30)] | None = None
    """Words on the button."""

    @model_validator(mode="after")
    def _button_is_whole(self) -> Self:
        if (self.action is None) != (self.label is None):
            raise ValueError("a button needs both action and label")
        return self


class Criterion(Frozen):
    """One statement that is true of a product that is ready, and the rule that decides it."""

    id: CriterionId
    step: Annotated[StrictInt, Field(ge=1, le=6)]
    title: Text
    short: Text
    """What the verdict sentence calls it: lower case, a few words."""
    why: Text
    kind: Kind
    parts: tuple[PartRule, ...]
    """All of them must hold."""
    fingerprint: tuple[FingerprintKey, ...] = ()
    max_age_days: Annotated[StrictInt, Field(ge=1)] | None = None
    blocker: StrictBool = False
    starter: StrictBool = False
    """In force from a project's first day; set by the loader from the starter track of ``catalogue.yaml``."""
    enable_on: date | None = None
    """The day from which a blocker outside the starter track blocks; until then it is announced."""
    producer: ProducerName | None = None
    """What measures it in this version; null: nothing does yet, and the criterion does not block."""
    profiles: tuple[Category, ...] = CATEGORIES
    may_not_apply: Text | None = None
    """When a person may declare it not applicable, with a reason; null: never."""
    references: tuple[Reference, ...] = ()
    seeds: tuple[Text, ...] = ()
    """Words of the roadmap that the criterion came from; empty for those we added."""
    fix: Fix

    @model_validator(mode="before")
    @classmethod
    def _parts_inherit_the_producer(cls, data: Any) -> Any:
        """A part that names no producer has the criterion's; one that says null is not measured yet."""
        if not isinstance(data, dict) or not isinstance(data.get("parts"), list):
            return data
        producer = data.get("producer")
        parts = [{"producer": producer, **part} if isinstance(part, dict) else part for part in data["parts"]]
        return {**data, "parts": parts}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if not self.parts or not self.profiles:
            raise ValueError("at least one part and one profile are needed")
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError("two parts have the same name")
        if len(set(self.fingerprint)) < len(self.fingerprint):
            raise ValueError("a fingerprint key is named twice")
        if self.starter and not self.blocker:
            raise ValueError("only a blocker can be on the starter track")
        if (self.enable_on is not None) != (self.blocker and not self.starter):
            raise ValueError("a blocker outside the starter track, and only that, needs enable_on")
        return self

    @property
    def measured(self) -> bool:
        """Whether anything in this version can produce evidence for it."""
        return any(part.producer is not None for part in self.parts)

    @property
    def producers(self) -> frozenset[str]:
        return frozenset(part.producer for part in self.parts if part.producer is not None)

    def blocks_on(self, day: date) -> bool:
        """Whether it holds the gate shut on ``day`` while it is not met (and can be measured)."""
        return self.blocker and (self.starter or (self.enable_on is not None and self.enable_on <= day))


class Step(Frozen):
    """One of the six steps, with its eight criteria."""

    number: Annotated[StrictInt, Field(ge=1, le=6)]
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]
    letter: Annotated[str, StringConstraints(pattern=r"^[A-Z]$")]
    """First character of its criteria's ids."""
    name: Text
    title: Text
    summary: Text
    criteria: tuple[Criterion, ...]

    @model_validator(mode="before")
    @classmethod
    def _criteria_know_their_step(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("criteria"), list):
            return data
        number = data.get("number")
        criteria = [{**row, "step": number} if isinstance(row, dict) else row for row in data["criteria"]]
        return {**data, "criteria": criteria}

    @model_validator(mode="after")
    def _ids_carry_the_letter(self) -> Self:
        strangers = [criterion.id for criterion in self.criteria if criterion.id[0] != self.letter]
        if strangers:
            raise ValueError(f"ids of this step begin with {self.letter}, not so: {', '.join(strangers)}")
        return self


class Header(Frozen):
    """``catalogue.yaml``: which catalogue this is."""

    id: Literal["readiness-catalogue/1"]
    title: Text
    date: date
    starter: Annotated[tuple[CriterionId, ...], Field(min_length=1)]
    """The blockers that are in force from a project's first day."""
