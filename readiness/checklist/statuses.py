"""The nine statuses of a criterion, the tenth that says nothing is measured yet, and how each is shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """What is known about a criterion."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    ATTESTED = "attested"
    FAIL = "fail"
    UNDECIDED = "undecided"
    STALE = "stale"
    UNKNOWN = "unknown"
    ABSTAIN = "abstain"
    WAIVED = "waived"
    NOT_APPLICABLE = "not-applicable"
    UNMEASURED = "unmeasured"
    """Computed, never stored: no code of this version can produce evidence. Does not block, earns nothing."""

    @property
    def display(self) -> "Display":
        return DISPLAY[self]

    @property
    def lets_through(self) -> bool:
        """Whether a blocker in this status leaves the gate open."""
        return self in _LETS_THROUGH

    @property
    def met(self) -> bool:
        """Whether the criterion counts in "7 of 8"."""
        return self in {Status.PASS, Status.ATTESTED}

    @property
    def scored(self) -> bool:
        """Whether the criterion is in the denominator of the score."""
        return self not in {Status.NOT_APPLICABLE, Status.UNMEASURED}

    @property
    def points(self) -> float:
        return _POINTS.get(self, 0.0)


@dataclass(frozen=True)
class Display:
    """How a status is shown: always a word and a shape beside the colour."""

    word: str
    css: str
    """Class on ``.status``, ``.meter i`` and ``.interval``; its colour is one of pass, fail, warn, none."""
    icon: str
    """Name of the 12 x 12 shape."""
    phrase: str
    """Follows the criterion's short name in the verdict sentence."""
    meaning: str


DISPLAY: dict[Status, Display] = {
    Status.PASS: Display("Pass", "pass", "tick", "proven", "Measured, and its bound keeps the threshold."),
    Status.ATTESTED: Display(
        "Attested", "attested", "signature", "attested", "A person vouches for it; worth half a point."
    ),
    Status.FAIL: Display(
        "Fail", "fail", "cross", "not met", "Measured, and on the wrong side of the threshold."
    ),
    Status.UNDECIDED: Display(
        "Undecided",
        "undecided",
        "scales",
        "undecided",
        "On the right side of the threshold, but too little was measured to be sure.",
    ),
    Status.STALE: Display(
        "Stale",
        "stale",
        "clock",
        "out of date",
        "Measured on something else than what would be shipped, or too long ago.",
    ),
    Status.UNKNOWN: Display(
        "No evidence", "unknown", "dashes", "without evidence", "Nothing has been measured yet."
    ),
    Status.ABSTAIN: Display(
        "Not scorable",
        "abstain",
        "question",
        "could not be scored",
        "Measured, but no score could be given; neither a pass nor a fail.",
    ),
    Status.WAIVED: Display(
        "Waived", "waived", "shield", "waived", "Let through by a person until a date; worth nothing."
    ),
    Status.NOT_APPLICABLE: Display(
        "Not applicable", "not-applicable", "dash", "not applicable", "Does not concern this kind of product."
    ),
    Status.UNMEASURED: Display(
        "Not measured",
        "unmeasured",
        "dot",
        "not measured by this version",
        "This version has nothing that measures it; it does not block.",
    ),
}

WORST_FIRST: tuple[Status, ...] = (
    Status.FAIL,
    Status.ABSTAIN,
    Status.UNDECIDED,
    Status.STALE,
    Status.UNKNOWN,
    Status.WAIVED,
    Status.ATTESTED,
    Status.PASS,
    Status.NOT_APPLICABLE,
    Status.UNMEASURED,
)
"""What is known to be wrong before what is not known; a whole shows the first that occurs in its parts."""

_LETS_THROUGH = frozenset(
    {Status.PASS, Status.ATTESTED, Status.WAIVED, Status.NOT_APPLICABLE, Status.UNMEASURED}
)
_POINTS = {Status.PASS: 1.0, Status.ATTESTED: 0.5}


def worst(statuses: Iterable[Status]) -> Status:
    """The status that a whole shows for its parts. Raises ValueError when there are none."""
    return min(statuses, key=WORST_FIRST.index)
