"""How numbers, shares and times are written for people: with their unit, to the precision that matters.

A no-break space stands between a number and its unit, so that the two never part at the end of a line.
"""

from datetime import datetime, timedelta

SPACE = "\u00a0"

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def column_words(name: str) -> str:
    """A column's name as people say it: ``usd_per_day`` is “USD per day”."""
    return name.replace("_", " ").replace("usd", "USD")


def format_percent(share: float, places: int = 1) -> str:
    """A share of 1 as ``95.3 %``."""
    return f"{share * 100:.{places}f}{SPACE}%"


def format_milliseconds(value: float) -> str:
    """``240 ms`` below a second, ``2.4 s`` below a minute, then as ``format_seconds``."""
    if value < 1000:
        return f"{value:.0f}{SPACE}ms"
    return f"{value / 1000:.1f}{SPACE}s" if value < 60_000 else format_seconds(value / 1000)


def format_seconds(value: float) -> str:
    """A duration: ``45 s``, ``1 min 36 s``, from ten minutes on ``11 min``, ``2 h 5 min``, ``3 d 4 h``."""
    seconds = max(round(value), 0)
    if seconds < _MINUTE:
        return f"{seconds}{SPACE}s"
    if seconds < _HOUR:
        large, small, unit_large, unit_small = _MINUTE, 1, "min", "s"
    elif seconds < _DAY:
        large, small, unit_large, unit_small = _HOUR, _MINUTE, "h", "min"
    else:
        large, small, unit_large, unit_small = _DAY, _HOUR, "d", "h"
    rest = seconds % large // small
    head = f"{seconds // large}{SPACE}{unit_large}"
    return f"{head}{SPACE}{rest}{SPACE}{unit_small}" if rest and not 10 * _MINUTE <= seconds < _HOUR else head


def format_compact(value: float) -> str:
    """Whole numbers with separators below 100,000, then ``590 k``, ``3.4 M``, ``1.2 G``."""
    if abs(value) < 100_000:
        return f"{value:,.0f}"
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M")):
        if abs(value) >= size:
            return f"{value / size:.1f}{SPACE}{unit}"
    return f"{value / 1000:.0f}{SPACE}k" if abs(value) < 999_500 else f"1.0{SPACE}M"


def format_ago(at: datetime, now: datetime) -> str:
    """How long ago, or how far ahead: ``just now``, ``2 h ago``, ``in 3 days``; a date beyond 60 days."""
    distance = now - at
    seconds = abs(distance) / timedelta(seconds=1)
    if seconds < _MINUTE:
        return "just now" if distance >= timedelta(0) else "in a moment"
    if seconds >= 60 * _DAY:
        return f"{at:%-d %b %Y}".replace(" ", SPACE)
    if seconds < _HOUR:
        text = f"{seconds // _MINUTE:.0f}{SPACE}min"
    elif seconds < 2 * _DAY:
        text = f"{seconds // _HOUR:.0f}{SPACE}h"
    else:
        text = f"{seconds // _DAY:.0f}{SPACE}days"
    return f"{text}{SPACE}ago" if distance >= timedelta(0) else f"in{SPACE}{text}"
