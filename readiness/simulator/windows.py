"""How a limit is counted: refilled continuously, over the last window exactly, or anew in every fixed window.

All times are seconds of the service's clock; a clock that goes back is taken to stand still.
"""

import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

MINUTE = 60.0
DAY = 86_400.0

ROUNDING = 1e-6
"""A caller that waited exactly as long as told must not be refused for the last bit of a float: so much of a
unit, or of a second, is overlooked. It is not given away: a level goes below zero by as much."""


class Meter(Protocol):
    """What is left of one limit."""

    capacity: int

    def resize(self, capacity: int, now: float) -> None:
        """Change the limit; what was used stays used."""

    def level(self, now: float) -> float:
        """What is left; below zero where more was used than the limit holds."""

    def seconds_until(self, amount: float, now: float) -> float:
        """Until so much is left; infinite when it never will be."""

    def seconds_until_full(self, now: float) -> float:
        """Until nothing counts as used any more, if nothing more is taken."""

    def take(self, amount: int, now: float) -> None:
        """Count so much as used, whether it is left or not."""


class Bucket:
    """Holds up to ``capacity``, refilled by ``capacity`` per ``window`` seconds, full at first."""

    def __init__(self, capacity: int, window: float, now: float) -> None:
        self.capacity = capacity
        self.window = window
        self._level = float(capacity)
        self._at = now

    def resize(self, capacity: int, now: float) -> None:
        """Change the limit; the level stays where it is, cut to the new capacity."""
        self.level(now)
        self.capacity = capacity
        self._level = min(self._level, capacity)

    def level(self, now: float) -> float:
        """What is left."""
        if now > self._at:
            self._level = min(self.capacity, self._level + (now - self._at) * self.capacity / self.window)
            self._at = now
        return self._level

    def seconds_until(self, amount: float, now: float) -> float:
        """Until the bucket holds the amount; infinite when it never can."""
        if amount > self.capacity:
            return math.inf
        missing = amount - self.level(now)
        return missing * self.window / self.capacity if missing > ROUNDING else 0.0

    def seconds_until_full(self, now: float) -> float:
        """Until the level is the capacity."""
        return self.seconds_until(self.capacity, now)

    def take(self, amount: int, now: float) -> None:
        """Deduct. Refills first: what overflowed before now is lost."""
        self._level = self.level(now) - amount


class SlidingLog:
    """Everything taken in the last ``window`` seconds counts, exactly: a log of what was taken when."""

    def __init__(self, capacity: int, window: float, now: float) -> None:
        self.capacity = capacity
        self.window = window
        self._log: deque[tuple[float, int]] = deque()
        self._used = 0
        self._at = now

    def resize(self, capacity: int, now: float) -> None:
        """Change the limit; what the log holds stays."""
        self.level(now)
        self.capacity = capacity

    def level(self, now: float) -> float:
        """What is left. Forgets what has left the window: each entry once."""
        self._at = max(self._at, now)
        while self._log and self._log[0][0] + self.window <= self._at + ROUNDING:
            self._used -= self._log.popleft()[1]
        return self.capacity - self._used

    def seconds_until(self, amount: float, now: float) -> float:
        """Until enough of the oldest entries have left the window."""
        if amount > self.capacity:
            return math.inf
        missing, free_at = amount - self.level(now), self._at
        for at, taken in self._log:
            if missing <= 0:
                break
            missing, free_at = missing - taken, at + self.window
        return free_at - self._at

    def seconds_until_full(self, now: float) -> float:
        """Until the newest entry has left the window."""
        self.level(now)
        return self._log[-1][0] + self.window - self._at if self._log else 0.0

    def take(self, amount: int, now: float) -> None:
        """Write down what was taken."""
        self.level(now)
        if self._log and self._log[-1][0] == self._at:
            amount_before = self._log.pop()[1]
            self._log.append((self._at, amount_before + amount))
        else:
            self._log.append((self._at, amount))
        self._used += amount


Edge = Callable[[float], float]
"""From a moment to the end of the fixed window that it is in, both in seconds of the service's clock."""


class FixedWindow:
    """Counts from zero in every window of the wall clock, so that twice the limit passes across an edge."""

    def __init__(self, capacity: int, edge: Edge, now: float) -> None:
        self.capacity = capacity
        self._edge = edge
        self._used = 0
        self._at = now
        self._until = edge(now)

    def resize(self, capacity: int, now: float) -> None:
        """Change the limit; what was used in this window stays used."""
        self.level(now)
        self.capacity = capacity

    def level(self, now: float) -> float:
        """What is left of this window."""
        self._at = max(self._at, now)
        if self._at + ROUNDING >= self._until:
            self._until = self._edge(max(self._at, self._until))
            self._used = 0
        return self.capacity - self._used

    def seconds_until(self, amount: float, now: float) -> float:
        """Until the next edge, where this window holds too little."""
        if amount > self.capacity:
            return math.inf
        return 0.0 if amount <= self.level(now) else self._until - self._at

    def seconds_until_full(self, now: float) -> float:
        """Until the next edge, where anything was used."""
        self.level(now)
        return self._until - self._at if self._used else 0.0

    def take(self, amount: int, now: float) -> None:
        """Count it in this window."""
        self.level(now)
        self._used += amount


def minute_edge(second: int, unix_offset: float) -> Edge:
    """Windows of a minute that begin at this second of the wall clock; ``unix_offset`` is its lead."""

    def edge(now: float) -> float:
        unix = now + unix_offset + ROUNDING
        return (math.floor((unix - second) / MINUTE) + 1) * MINUTE + second - unix_offset

    return edge


def day_edge(zone: str, unix_offset: float) -> Edge:
    """Windows that begin at midnight in the zone: of 23 or 25 hours where its clocks change."""
    place = ZoneInfo(zone)

    def edge(now: float) -> float:
        today = datetime.fromtimestamp(now + unix_offset + ROUNDING, UTC).astimezone(place).date()
        tomorrow = today + timedelta(days=1)
        return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=place).timestamp() - unix_offset

    return edge
