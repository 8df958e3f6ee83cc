"""What a process admits by itself while Redis does not answer.

Half of each quota, of the upstream and of the account above it, is divided among the processes that were
known before the fault; calls are paced, without any burst, and higher tiers go first. What a call takes has
to come in before it goes: since the call before, or since the fault. The scripts take half as spent when
Redis is back, so the provider's limits hold throughout (docs/limiter.md). A process that started during the
fault knows of no others and admits nothing; work that nobody waits for pauses; and money beyond a small grace
stays closed.
"""

import asyncio
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count

from readiness.limits.tickets import Cost, ProviderWord, Ticket
from readiness.providers.base import Quota

GRACE_NANOS = 1_000_000_000
"""A dollar: what one process may spend during one fault."""

_PART_OF_QUOTA = 0.5
_LEAST_LEFT = 0.01
_PER_MINUTE = {"rpm": "requests", "tpm": "tokens", "itpm": "input_tokens", "otpm": "output_tokens"}
_PER_DAY = {"rpd": "requests", "tpd": "tokens"}
# As the scripts have it (lua/shared/5_adaptation.lua).
_LONGEST_PAUSE_S, _LONGEST_ESTIMATE_S, _RAMP_PAUSE_S = 300.0, 60.0, 1.0


@dataclass(order=True, slots=True)
class _Waiter:
    """Heaviest tier first, then by arrival."""

    rank: tuple[int, int]
    ticket: Ticket = field(compare=False)
    leave: asyncio.Future[bool] = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What Redis said last of a minute that does not refill continuously."""

    left: float
    """Part of the quota."""
    full_until: float
    """When it has room again, by the event loop's clock; in the past where it has."""


@dataclass(slots=True)
class _Standing:
    """What the provider's answers to this process say of an upstream."""

    paused_until: float = -math.inf
    strikes: int = 0
    """Refusals without an answer in between; those that came during a pause are one with its cause."""

    def hear(self, word: ProviderWord, now: float) -> None:
        if word.kind == "ok":
            self.strikes = 0
        elif word.kind == "out_of_credit":
            self.paused_until = math.inf
        elif word.kind in ("rate", "ramp") and self.paused_until < math.inf:
            self.strikes += now >= self.paused_until
            ends = now + self._pause_s(word)
            # The provider's newest word wins; an estimate of ours shortens nothing.
            is_told = word.kind == "rate" and word.retry_after_s
            self.paused_until = ends if is_told else max(self.paused_until, ends)

    def _pause_s(self, word: ProviderWord) -> float:
        if word.kind == "ramp":
            return _RAMP_PAUSE_S
        if not word.retry_after_s:
            return min(2.0 ** (self.strikes - 1), _LONGEST_ESTIMATE_S)
        return min(word.retry_after_s, _LONGEST_PAUSE_S)


class Alone:
    """Admission without Redis for one event loop."""

    def __init__(self) -> None:
        self.processes: int | None = None
        """How many shared the quota before the fault; None in a process that never heard from Redis."""
        self.weights: Mapping[str, int] = {}
        self.windows: dict[str, Window] = {}
        """By upstream, where its minutes are windows."""
        self._gone_at: float | None = None
        """When Redis went away, by the event loop's clock; None while it is there."""
        self._queues: defaultdict[str, list[_Waiter]] = defaultdict(list)
        self._went_at: dict[str, float] = {}
        """By upstream and account: when the last call of this fault went."""
        self._in_flight: defaultdict[str, set[str]] = defaultdict(set)
        """By upstream and account: ids of all calls of this process, whoever admitted them."""
        self._standings: defaultdict[str, _Standing] = defaultdict(_Standing)
        self._admitted: Counter[str] = Counter()
        self._held: set[asyncio.Future[bool]] = set()
        self._numbers = count()
        self._spent_nanos = 0
        self._timer: asyncio.TimerHandle | None = None

    async def admits(self, ticket: Ticket, *, until: float) -> bool:
        """Waits for leave to send the attempt. False as soon as Redis is there: ask it.

        Raises ``TimeoutError`` at ``until``, by the event loop's clock.
        """
        if self._gone_at is None:
            return False
        leave: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held.add(leave)
        lined_up = self._may_go(ticket)
        if lined_up:
            self._line_up(ticket, leave)
        try:
            async with asyncio.timeout_at(until):
                return await leave
        except (TimeoutError, asyncio.CancelledError):
            if lined_up:
                self._take_back(ticket, leave)
            raise
        finally:
            self._held.discard(leave)
            leave.cancel()

    def began(self, ticket: Ticket) -> None:
        """Redis admitted a call: it holds a place here too, and its upstream is neither paused nor closed."""
        self._standings.pop(ticket.upstream, None)
        self._hold(ticket)

    def ended(self, ticket: Ticket, word: ProviderWord) -> None:
        """A call is over, whoever admitted it, and the provider said this of our rate."""
        self._standings[ticket.upstream].hear(word, asyncio.get_running_loop().time())
        self._let_go(ticket)

    def redis_is_gone(self) -> None:
        """Begins to admit."""
        self._gone_at = asyncio.get_running_loop().time()

    def redis_is_back(self) -> dict[str, int]:
        """Sends everybody who waits to Redis. Returns how many were admitted meanwhile, by upstream."""
        self._gone_at, self._spent_nanos = None, 0
        if self._timer:
            self._timer.cancel()
        for leave in self._held:
            if not leave.done():
                leave.set_result(False)
        admitted = dict(self._admitted)
        for book in (self._queues, self._went_at, self._standings, self._admitted):
            book.clear()
        return admitted

    def _may_go(self, ticket: Ticket) -> bool:
        in_budget = self._spent_nanos + ticket.event.cost_nanos <= GRACE_NANOS
        return bool(self.processes) and not ticket.patient and in_budget

    def _line_up(self, ticket: Ticket, leave: asyncio.Future[bool]) -> None:
        self._spent_nanos += ticket.event.cost_nanos
        rank = (-self.weights.get(ticket.tier, 0), next(self._numbers))
        heapq.heappush(self._queues[ticket.upstream], _Waiter(rank, ticket, leave))
        self._serve()

    def _take_back(self, ticket: Ticket, leave: asyncio.Future[bool]) -> None:
        """The attempt is not made. Its leave may have come in the very moment in which its caller gave up."""
        if leave.done() and not leave.cancelled():
            if not leave.result():
                return  # Redis is back, and with it a new grace
            self._let_go(ticket)
        self._spent_nanos = max(0, self._spent_nanos - ticket.event.cost_nanos)

    def _hold(self, ticket: Ticket) -> None:
        for name, _ in _limits(ticket):
            self._in_flight[name].add(ticket.id)

    def _let_go(self, ticket: Ticket) -> None:
        for name, _ in _limits(ticket):
            self._in_flight[name].discard(ticket.id)
        self._serve()

    # Pacing ---------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Lets the next ones go whose time has come; sets a timer for the one after."""
        if self._gone_at is None:
            return
        loop = asyncio.get_running_loop()
        now, due = loop.time(), -math.inf
        while due <= now:
            # Of those whose time has come the first by rank.
            due, waiter = min(self._candidates(now), key=lambda c: max(now, c[0]), default=(math.inf, None))
            if waiter and due <= now:
                self._admit(waiter, now)
        if self._timer:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._serve) if due < math.inf else None

    def _candidates(self, now: float) -> Iterator[tuple[float, _Waiter]]:
        """The head of each upstream's queue by rank, and when it may go.

        Who waits for nothing but the account above is not passed by others of it: small calls of one model
        would hold up a large one of another for ever.
        """
        claimed: set[str] = set()
        for waiter in sorted(self._heads()):
            ticket = waiter.ticket
            if ticket.account in claimed:
                continue
            dues = [self._due(name, quota, ticket.cost) for name, quota in _limits(ticket)]
            if dues[0] <= now < max(dues):
                claimed.add(ticket.account)
            yield max(dues), waiter

    def _heads(self) -> Iterator[_Waiter]:
        for queue in self._queues.values():
            while queue and queue[0].leave.done():
                heapq.heappop(queue)
            if queue:
                yield queue[0]

    def _admit(self, waiter: _Waiter, now: float) -> None:
        ticket = waiter.ticket
        heapq.heappop(self._queues[ticket.upstream])
        for name, _ in _limits(ticket):
            self._went_at[name] = now
        self._hold(ticket)
        self._admitted[ticket.upstream] += 1
        waiter.leave.set_result(True)

    def _due(self, name: str, quota: Quota, cost: Cost) -> float:
        """When an upstream or an account has room for the call, as far as is known; infinite for unknown."""
        assert self._gone_at is not None
        if len(self._in_flight[name]) >= self._places(quota):
            return math.inf
        window = self.windows.get(name)
        full_until = window.full_until if window else -math.inf
        came_in = max(self._went_at.get(name, self._gone_at), full_until) + self._spacing_s(name, quota, cost)
        standing = self._standings.get(name)
        return max(came_in, standing.paused_until) if standing else came_in

    def _part(self, most: float = _PART_OF_QUOTA) -> float:
        assert self.processes
        return min(most, _PART_OF_QUOTA) / self.processes

    def _places(self, quota: Quota) -> float:
        return math.inf if quota.concurrency is None else math.floor(quota.concurrency * self._part())

    def _spacing_s(self, name: str, quota: Quota, cost: Cost) -> float:
        """Seconds in which this process's part of the tightest limit brings in what the call takes."""
        seconds = 0.0
        of_minute, of_day = self._part(self._left_of_window(name)), self._part()
        for units, window_s, part in ((_PER_MINUTE, 60.0, of_minute), (_PER_DAY, 86_400.0, of_day)):
            for limit_name, unit in units.items():
                limit = getattr(quota, limit_name)
                if limit is not None:
                    seconds = max(seconds, getattr(cost, unit) * window_s / (limit * part))
        return seconds

    def _left_of_window(self, name: str) -> float:
        """Nothing of a window comes back before a minute is over; a full one is waited for instead."""
        assert self._gone_at is not None
        window = self.windows.get(name)
        if window is None or window.full_until > self._gone_at:
            return 1.0
        return max(window.left, _LEAST_LEFT)


def _limits(ticket: Ticket) -> list[tuple[str, Quota]]:
    """The upstream's quota, and that of the account above it where it has one, by name."""
    above = [(ticket.account, ticket.account_quota)] if ticket.account_quota else []
    return [(ticket.upstream, ticket.quota), *above]
