"""Asking a judge through the one door."""

from collections.abc import Sequence
from dataclasses import dataclass

from readiness.inference.dispatch import Call, Door
from readiness.judges.rubrics import GROUNDED, Rubric
from readiness.lib.events import Purpose
from readiness.providers.base import DeploymentSpec, Message
from readiness.scorers import judge
from readiness.scorers.base import Sample, Score

MAX_VERDICT_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Judged:
    """A judge's score and what it cost in nano-dollars."""

    score: Score
    cost_nanos: int
