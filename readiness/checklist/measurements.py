"""What a producer hands over: first what there is to measure, then, only if that is new, the measurement."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from readiness.checklist.catalogue.schema import FingerprintKey
from readiness.checklist.evidence import Part
from readiness.checklist.fingerprints import digest_of


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One measurement, ready to be stored as evidence."""

    parts: tuple[Part, ...]
    measured_at: datetime
    fingerprint: Mapping[FingerprintKey, str] = field(default_factory=dict)
    """What it was measured on. A key that cannot be told for certain is left out, which makes it stale."""
    simulated: bool = False
    abstained: bool = False
    explanation: str = ""
    """What it was measured on, in words; why it could not be scored, where it was not."""
    link: str = ""
    """Path of the page that shows where it came from."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A measurement that could be made now.

    Looking at ``identity`` is cheap, ``measure`` need not be: it runs only when the newest evidence has
    another digest, so that a page may ask at every opening.
    """

    method: str
    """Name and version of the way it is measured, ``runs/1``; a new version measures again."""
    identity: tuple[object, ...]
    """What makes it the same measurement as an earlier one, such as the run's id; plain values only."""
    measure: Callable[[], Draft]

    @property
    def digest(self) -> str:
        return digest_of(self.method, self.identity)
