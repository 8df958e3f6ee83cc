"""How a measured number is written for people: always with its unit, to the precision that matters."""

from decimal import Decimal

from readiness.checklist.catalogue.parts import Unit
from readiness.lib.formats import SPACE, format_percent
from readiness.lib.money import format_usd, nanos
from readiness.lib.statistics import Direction

_MOST_EXTRA_DIGITS = 4
_SIGNS = {Direction.AT_LEAST: "≥", Direction.AT_MOST: "≤"}


def format_quantity(value: float, unit: Unit, *, beside: float | None = None) -> str:
    """``94.6 %``, ``310 ms``, ``2.4 s``, ``$0.0021``, ``1,204``, ``12 days``, ``0.71``.

    ``value`` is in the rule's unit: shares as 0..1, money in US dollars. Written ``beside`` another number it
    gets more digits until the two look different, so that nobody reads "5.0 % is above 5.0 %".
    """
    for extra in range(_MOST_EXTRA_DIGITS + 1):
        text = _format(value, unit, extra)
        if beside is None or value == beside or text != _format(beside, unit, extra):
            break
    return text


def format_threshold(threshold: float, direction: Direction, unit: Unit) -> str:
    """``≥ 90.0 %``"""
    return f"{_SIGNS[direction]}{SPACE}{format_quantity(threshold, unit)}"


def _format(value: float, unit: Unit, extra: int) -> str:
    if unit == "%":
        return _percent(value, extra)
    if unit == "ms" and abs(value) >= 1000:
        return _format(value / 1000, "s", extra)
    if unit == "ms":
        return f"{value:,.{extra}f}{SPACE}ms"
    if unit == "s":
        return f"{value:,.{_decimals(value) + extra}f}{SPACE}s"
    if unit == "days":
        text = f"{value:,.{extra}f}"
        return f"{text}{SPACE}{'day' if text == '1' else 'days'}"
    if unit == "$":
        return _dollars(value, extra)
    if unit == "count":
        return f"{value:,.{extra}f}"
    return f"{value:,.{2 + extra}f}"


def _percent(share: float, extra: int) -> str:
    """One decimal, two near 0 and 1, where a tenth is a large part; only 0 and 1 themselves read so."""
    if share in {0, 1}:
        return format_percent(share, 0)
    close = 0 < share < 0.01 or 0.99 < share < 1
    if close and extra == 0:
        if share < 0.0001:
            return f"<{SPACE}{format_percent(0.0001, 2)}"
        if share > 0.9999:
            return f">{SPACE}{format_percent(0.9999, 2)}"
        return format_percent(share, 1 if round(share, 4) == round(share, 3) else 2)
    return format_percent(share, (2 if close else 1) + extra)


def _decimals(seconds: float) -> int:
    if abs(seconds) >= 100:
        return 0
    return 1 if abs(seconds) >= 1 else 2


def _dollars(dollars: float, extra: int) -> str:
    amount = Decimal(str(dollars))
    if extra == 0:
        return format_usd(nanos(amount))
    return f"${amount:,.{max(0, 1 - amount.adjusted()) + extra}f}"
