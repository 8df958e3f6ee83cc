"""The keys of the review queue: one table drives the key handler, the buttons' badges and the key list."""

from dataclasses import dataclass

from readiness.reviews.models import Reason


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it does. The page gives ``data-key`` to the control that the key presses."""

    key: str
    does: str

    @property
    def badge(self) -> str:
        """The key as it is printed."""
        return self.key.upper()


KEYS = {
    "approve": Key("a", "Approve the answer"),
    "reject": Key("r", "Reject it: opens the reasons"),
    "edit": Key("e", "Correct it: opens the answer as text"),
    "skip": Key("s", "Skip it: somebody else decides"),
    "undo": Key("u", "Take your last verdict back, for 60 seconds"),
    "older": Key("k", "Look at the verdict before"),
    "newer": Key("j", "Back towards the item that waits"),
}

REASON_KEYS = {reason: Key(str(number), reason.label) for number, reason in enumerate(Reason, start=1)}
"""Digits choose a reason while the reasons are open; letters never clash with them."""
