"""Adds judgements up: a step, the project's score, and the gate's verdict in one sentence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from readiness.checklist.catalogue import Catalogue, Step
from readiness.checklist.rules import Judgement
from readiness.checklist.statuses import Status, worst


@dataclass(frozen=True)
class StepSummary:
    """One step of a project, as a row of the overview shows it."""

    step: Step
    judgements: tuple[Judgement, ...]
    status: Status
    """PASS when every blocker in force lets through, else the worst; UNMEASURED when none is measured."""
    score: float | None
    """Mean points of the criteria that count, 0 to 1; None when none does."""

    @property
    def total(self) -> int:
        return len(self.judgements)

    @property
    def met(self) -> int:
        return sum(judgement.status.met for judgement in self.judgements)

    @property
    def counts(self) -> str:
        """``7 of 8``"""
        return f"{self.met} of {self.total}"

    def having(self, status: Status) -> tuple[Judgement, ...]:
        """Its criteria in that status: the page lists what left the score (NOT_APPLICABLE, UNMEASURED)."""
        return tuple(judgement for judgement in self.judgements if judgement.status is status)


@dataclass(frozen=True)
class Verdict:
    """Whether the gate is open, and why, in words."""

    is_open: bool
    sentence: str
    detail: str
    """What the sentence must not hide: blockers that nothing measures, and those that were waived."""
    blocking: tuple[Judgement, ...]
    in_force: int
    """Blockers of this project, measured or not."""
    unmeasured: int
    """Those of them that this version does not measure."""


@dataclass(frozen=True)
class Summary:
    """A project's whole checklist."""

    steps: tuple[StepSummary, ...]
    verdict: Verdict
    weakest: StepSummary | None
    """The step that gives the project its score; None while nothing counts."""

    @property
    def score(self) -> float | None:
        return None if self.weakest is None else self.weakest.score


def summarise(catalogue: Catalogue, judgements: Mapping[str, Judgement], today: date) -> Summary:
    """``judgements`` by criterion id, one for each criterion of the catalogue."""
    steps = tuple(
        summarise_step(step, [judgements[criterion.id] for criterion in step.criteria], today)
        for step in catalogue.steps
    )
    scored = [(step.score, step) for step in steps if step.score is not None]
    weakest = min(scored, key=lambda pair: pair[0])[1] if scored else None
    return Summary(steps, verdict(judgements.values(), today), weakest)


def summarise_step(step: Step, judgements: Sequence[Judgement], today: date) -> StepSummary:
    counted = [judgement.status.points for judgement in judgements if judgement.status.scored]
    score = sum(counted) / len(counted) if counted else None
    return StepSummary(step, tuple(judgements), _step_status(judgements, today), score)


def _step_status(judgements: Iterable[Judgement], today: date) -> Status:
    statuses = [
        judgement.status
        for judgement in judgements
        if judgement.criterion.blocks_on(today) and judgement.status is not Status.UNMEASURED
    ]
    if not statuses:
        return Status.UNMEASURED
    shut = [status for status in statuses if not status.lets_through]
    return worst(shut) if shut else Status.PASS


def verdict(judgements: Iterable[Judgement], today: date) -> Verdict:
    """The gate over every blocker in force on ``today``."""
    in_force = [judgement for judgement in judgements if judgement.criterion.blocks_on(today)]
    blocking = tuple(judgement for judgement in in_force if not judgement.status.lets_through)
    unmeasured = sum(judgement.status is Status.UNMEASURED for judgement in in_force)
    waived = [judgement for judgement in in_force if judgement.status is Status.WAIVED]
    return Verdict(
        is_open=not blocking,
        sentence=_sentence(blocking, len(in_force), unmeasured),
        detail=" ".join(_details(len(in_force), unmeasured, waived)),
        blocking=blocking,
        in_force=len(in_force),
        unmeasured=unmeasured,
    )


def _sentence(blocking: Sequence[Judgement], in_force: int, unmeasured: int) -> str:
    """``Blocked by 2 of 15: hallucination bound undecided, human review without evidence``"""
    if blocking:
        reasons = ", ".join(
            f"{judgement.criterion.short} {judgement.status.display.phrase}" for judgement in blocking
        )
        return f"Blocked by {len(blocking)} of {in_force}: {reasons}"
    if unmeasured == in_force:
        return "Nothing is decided yet: no blocker in force is measured by this version"
    if unmeasured:
        return f"Ready as far as measured: {in_force - unmeasured} of {in_force} blockers open"
    return f"Ready: all {in_force} blockers open"


def _details(in_force: int, unmeasured: int, waived: Sequence[Judgement]) -> list[str]:
    details = []
    if unmeasured:
        verb, block = ("is", "does") if unmeasured == 1 else ("are", "do")
        details.append(
            f"{unmeasured} of {in_force} blockers {verb} not measured by this version and {block} not block."
        )
    if waived:
        names = ", ".join(judgement.criterion.short for judgement in waived)
        details.append(f"Waived: {names}.")
    return details
