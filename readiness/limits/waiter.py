"""One request on its way to a permit."""

import asyncio
from dataclasses import dataclass, field

from readiness.limits.scripts import Answer
from readiness.limits.tickets import Permit, Ticket

_UNKNOWN_WAIT_S = 60.0
"""How long to wait for a request whose tier's longest wait is not known yet."""


@dataclass(slots=True)
class Waiter:
    """Times are the event loop's."""

    ticket: Ticket
    began_at: float
    until: float = field(init=False)
    words: asyncio.Queue[Answer] = field(default_factory=asyncio.Queue)
    """What the inbox and the heartbeats say of the request, in order."""
    asked_at: float | None = None
    """When the call was sent that Redis answered last; it began to count the wait with it,"""
    is_certain: bool = True
    """unless an earlier one was not answered, and may have begun it all the same."""

    def __post_init__(self) -> None:
        longest_wait_s = self.ticket.longest_wait_s
        self.until = self.began_at + (_UNKNOWN_WAIT_S if longest_wait_s is None else longest_wait_s)

    @property
    def upstream(self) -> str:
        return self.ticket.upstream

    def hear(self, word: Answer) -> None:
        """Somebody tells what became of the request."""
        self.words.put_nowait(word)

    def note_answer(self, answer: Answer, asked_at: float, now: float) -> None:
        """Redis answered a call that asked for a place and was sent at ``asked_at``."""
        self.asked_at = asked_at
        if "deadline_ms" in answer and self.ticket.longest_wait_s is None:
            # The tier's own wait. Where the caller named one, a request that a frozen Redis took late would
            # be given more than was agreed.
            self.until = now + int(answer["deadline_ms"]) / 1000

    def wait_left_ms(self, now: float) -> int | None:
        """What is left of the wait that the caller named; None where that is the tier's affair."""
        return None if self.ticket.longest_wait_s is None else max(0, round((self.until - now) * 1000))

    def granted(self, answer: Answer, now: float) -> Permit:
        """The permit that Redis granted."""
        queue_ms = int(answer.get("queue_ms", 0))
        granted_at = None
        if self.asked_at is not None and self.is_certain and answer["status"] == "granted":
            # Redis began to count after the call was sent, so it granted later than this, if by little.
            granted_at = self.asked_at + queue_ms / 1000
        return self._permit(queue_ms, now, granted_at=granted_at)

    def admitted_alone(self, now: float) -> Permit:
        """The permit that this process gave itself."""
        return self._permit(round((now - self.began_at) * 1000), now, granted_at=now, degraded=True)

    def _permit(
        self, queue_ms: int, now: float, *, granted_at: float | None, degraded: bool = False
    ) -> Permit:
        return Permit(
            ticket=self.ticket,
            queue_ms=queue_ms,
            wait_left_s=max(0.0, self.until - now),
            granted_at=granted_at,
            degraded=degraded,
        )
