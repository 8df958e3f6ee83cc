"""What a drill is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from readiness.operations.drills.stage import Stage

ANSWER: Final[Mapping[str, Any]] = {
    "fixed_answer": "Yes.",
    "error_rate": 0,
    "ttft_seconds": {"median": 0.05, "sigma": 0},
    "tokens_per_second": {"median": 1000, "sigma": 0},
    "jitter_seconds": 0,
    "headers": True,
}
"""A quick model that makes no errors of its own."""

NO_LIMITS: Final[Mapping[str, Any]] = dict.fromkeys(
    ("rpm", "tpm", "itpm", "otpm", "rpd", "tpd", "concurrency")
)


class DrillRefusedError(Exception):
    """The drill cannot be held here; ``str(error)`` says in plain words why and what to do."""


class Drill(ABC):
    """One drill; a subclass says what it is and ``run`` holds it."""

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    """What it does, in one sentence."""
    seconds: ClassVar[int]
    """How long it takes, roughly; never more than ``arena.MOST_S``."""
    quota: ClassVar[Mapping[str, Any]] = {"rpm": 600, "concurrency": 64}
    """What the simulated model grants, and what we take it to grant."""

    def profile(self) -> Mapping[str, Any]:
        """What the simulated model is at the beginning."""
        return {**ANSWER, "quota": {**NO_LIMITS, **self.quota}}

    @abstractmethod
    async def run(self, stage: Stage) -> None:
        """Writes findings and moments to the stage. Raises ``DrillRefusedError``."""
