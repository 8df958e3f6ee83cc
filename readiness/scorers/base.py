"""What every scorer takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """Whether there is a value. Without one a sample leaves the rate: it counts neither as 0 nor as 1."""

    OK = "ok"
    ABSTAIN = "abstain"
    """The sample could not be scored: no source, no reference, a verdict that is none."""
    ERROR = "error"
    """Scoring itself failed."""


class Kind(StrEnum):
    """Where the score comes from."""

    OFFLINE = "offline"
    JUDGE = "judge"
    """A judge asks a model: it costs money, and its verdicts are advisory until people have checked them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One answer, and what it is scored against."""

    question: str
    answer: str
    source: str | None = None
    """The text that the answer has to rest on."""
    reference: str | None = None
    """The expected answer."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the answer: ``text`` is ``answer[start:end]``, counted in characters."""

    start: int
    end: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A finding. ``value`` is None unless the status is ``ok``; ``spans`` come in the answer's order."""

    status: Status
    value: float | None = None
    label: str = ""
    spans: tuple[Span, ...] = ()
    explanation: str = ""
    """For people. It may quote the answer or a judge: untrusted text."""


def abstain(explanation: str) -> Score:
    """A score without a value, and why."""
    return Score(status=Status.ABSTAIN, label="abstained", explanation=explanation)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerSpec:
    """A scorer's entry in the registry."""

    name: str
    version: str
    """Grows with every change that can change a score; scores of different versions are never pooled."""
    title: str
    description: str
    kind: Kind
    higher_is_better: bool
    low: float
    """The smallest possible value."""
    high: float | None
    """The largest possible value; None where there is none."""
    needs_reference: bool = False
    needs_source: bool = False
    flag_at: float | None = None
    """The value from which on, toward the worse side, an answer is flagged; None where none is set."""
    score: Callable[[Sample], Score] | None = None
    """The scorer, which may rely on what it needs being there. None for a judge, which asks a model."""

    def flags(self, value: float) -> bool:
        """Whether a score of this value flags its answer: worth a person's look, not proof of a fault."""
        if self.flag_at is None:
            return False
        return value <= self.flag_at if self.higher_is_better else value >= self.flag_at

    def badness(self, value: float) -> float:
        """The value turned so that more is worse, to rank answers by."""
        return -value if self.higher_is_better else value
