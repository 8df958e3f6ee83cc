"""What the demo is about: its people, its product, its prompt and the questions of the handbook. No rows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from readiness.projects.models import Category, Role
from readiness.projects.services import ProjectDetails

SITE_ADMIN: Final = "admin"
OWNER: Final = "alice"
MEMBER: Final = "bob"
REVIEWER: Final = "rita"
ROLES: Final[Mapping[str, Role]] = {
    OWNER: Role.ADMIN,
    MEMBER: Role.MEMBER,
    REVIEWER: Role.REVIEWER,
    "auditor": Role.VIEWER,
}

PROJECT: Final = ProjectDetails(
    name="Handbook assistant",
    category=Category.TEXT,
    use_case="Chatbot",
    description=(
        "Answers customers of the home-battery maker Orvendale from its product handbook. The maker, its "
        "products and the handbook are made up; every answer comes from the simulated AI service."
    ),
    latency_p95_ms=5_000,
    ttft_p95_ms=2_000,
    cost_per_request_nanos=500_000,
    licence="None needed: the models are simulated",
    region="The machine that this site runs on",
)

ACCOUNT: Final = "Simulated AI service"
API_KEY: Final = "sim-demo"
DEPLOYMENTS: Final[Mapping[str, str]] = {
    "sim-small": "sim-small-2026-06",
    "sim-medium": "sim-medium-2026-06",
    "sim-large": "sim-large-2026-06",
    "sim-judge": "sim-judge-2026-06",
}
"""Name of a deployment to its model id at the simulated AI service."""
COMPARED: Final = ("sim-small", "sim-medium", "sim-large")
SHIPPED: Final = "sim-medium"
JUDGE: Final = "sim-judge"
MOST_OUTPUT_TOKENS: Final = 256
QUOTA_SHARE: Final = 0.95
"""Our limits as a share of what the service grants: the demo follows criterion R2."""
AT_ONCE: Final = 12
"""Calls in flight per deployment, far fewer than the service grants: with more, two cores are busy, and the
times are those of this machine instead of the models'."""

PROMPT: Final = "Answer from the handbook"
PROMPT_USER: Final = "Question: {{ question }}\n\nSource: {{ source }}"
PROMPT_PARAMETERS: Final[Mapping[str, object]] = {"temperature": 0, "max_tokens": 160}
PROMPT_VERSIONS: Final[Sequence[tuple[str, str]]] = (
    ("You answer questions of Orvendale's customers.", "First draft"),
    (
        "You answer questions of Orvendale's customers from the page of the handbook that you are given, and "
        "from nothing else. Keep numbers, dates and names exactly as they stand there. If the page does not "
        "say it, say so. One or two sentences.",
        "Forbids outside knowledge, allows “does not say”",
    ),
)
"""System text and note of each version, oldest first; the newest is the one to be shipped."""

DATASET: Final = "Handbook questions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured when the demo is made."""

    answers: int = 150
    """Customers' questions; all of their answers are spot-checked."""
    pilot_per_stratum: int = 7
    compared_per_stratum: int = 20
    """Questions per stratum in the first two versions of the dataset; the third has all of them."""


FULL: Final = Size()

CHECKED_A_DAY: Final = 50
CHECKED_SHARE: Final = 0.05
CHECKING_NANOS_A_DAY: Final = 2_000_000_000
REASKS: Final = 1

RIGHTS_NOTE: Final = (
    "Part of the demo: the models are simulated and the handbook is our own, so there are no terms to keep. "
    "A real project links its provider's terms here."
)
COMMENTS: Final[Mapping[str, str]] = {
    "M3": (
        "We compared the models on 20 questions per topic. The dataset has every question of the handbook "
        "by now, so the comparison has to run again, on its newest version."
    ),
    "M5": (
        "Our comparison is too small to prove that fewer than 1 request in 100 fails, even if none did. "
        "The newest version of the dataset, with two trials, is large enough."
    ),
    "Q4": (
        "The simulated models invent something now and then, and the judge notices. sim-large does so the "
        "least; compare what it costs with our limit per request before you change the target."
    ),
    "Q8": (
        "The first verdicts were written when the demo was made, from the simulated AI service's own ledger "
        "and in no time: nobody read those answers, and this criterion notices. Decide some yourself."
    ),
}
"""Criterion to a note in its discussion."""

_HANDBOOK: Final = Path(__file__).parent / "handbook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question of the handbook with the page that answers it, and what a good answer says."""

    id: str
    section: str
    stratum: str
    question: str
    source: str
    reference: str
    answerable: bool

    def as_row(self) -> dict[str, Any]:
        """The row of an import file."""
        return {
            "id": self.id,
            "question": self.question,
            "source": self.source,
            "reference": self.reference,
            "stratum": self.stratum,
            "section": self.section,
        }


@cache
def questions() -> tuple[Question, ...]:
    """Every question of the handbook, in its order."""
    passages = {row["id"]: row for row in _lines("passages.jsonl")}
    return tuple(
        Question(
            id=row["id"],
            section=row["passage"],
            stratum=row["stratum"],
            question=row["question"],
            source=passages[row["passage"]]["text"],
            reference=row["reference"],
            answerable=row["answerable"],
        )
        for row in _lines("questions.jsonl")
    )


def part(per_stratum: int) -> list[Question]:
    """As many questions of every stratum, spread over its sections."""
    strata: dict[str, list[Question]] = {}
    for question in questions():
        strata.setdefault(question.stratum, []).append(question)
    return [question for found in strata.values() for question in _spread(found, per_stratum)]


def _spread(found: Sequence[Question], wanted: int) -> list[Question]:
    return [found[place * len(found) // wanted] for place in range(wanted)]


def _lines(name: str) -> list[dict[str, Any]]:
    text = (_HANDBOOK / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
