"""Geometry of the small drawing on a criterion's row: a value, its interval and its threshold on one axis."""

from dataclasses import dataclass

from readiness.checklist.catalogue.parts import FactRule, SampledRule, SampleRule, Unit
from readiness.checklist.quantities import format_quantity, format_threshold
from readiness.checklist.rules import PartJudgement
from readiness.checklist.statuses import Status
from readiness.lib.formats import format_percent
from readiness.lib.statistics import GATE_LEVEL, Direction

WIDTH, HEIGHT = 200, 28
AXIS_Y = 10
AXIS_START, AXIS_END = 6.0, 194.0
"""The dot's radius of 4.5 with its outline stays inside the view box at both ends."""
LABEL_Y = 25
_CHARACTER_WIDTH = 5.5
"""Of the 10 px label, generously: used only to keep it inside the view box."""
_PADDING = 0.15
"""Free room at each end, as a share of what is drawn."""
_WORDS = {Direction.AT_LEAST: "at least", Direction.AT_MOST: "at most"}


@dataclass(frozen=True)
class Drawing:
    """Coordinates in a view box of ``WIDTH`` x ``HEIGHT``, ready for ``components/_interval.html``."""

    css: str
    description: str
    """For screen readers: ``2.7 %, 95 % interval 1.2 % to 6.2 %, limit at most 5.0 %``."""
    dot: float
    limit: float | None
    range_start: float | None
    range_end: float | None
    label: str
    label_x: float
    width: int = WIDTH
    height: int = HEIGHT
    axis_start: float = AXIS_START
    axis_end: float = AXIS_END
    axis_y: int = AXIS_Y
    label_y: int = LABEL_Y


def draw(judgement: PartJudgement, status: Status) -> Drawing | None:
    """The drawing of a judged part in the colour of ``status``; None for what has no place on a scale."""
    part, rule = judgement.part, judgement.rule
    if part is None or part.value is None or isinstance(rule, FactRule | SampleRule):
        return None
    return interval_drawing(
        part.value,
        part.low,
        part.high,
        judgement.threshold,
        direction=rule.direction,
        unit=rule.unit,
        css=status.display.css,
        level=rule.level if isinstance(rule, SampledRule) else None,
    )


def interval_drawing(
    value: float,
    low: float | None,
    high: float | None,
    threshold: float | None,
    *,
    direction: Direction,
    unit: Unit,
    css: str,
    level: float | None = GATE_LEVEL,
) -> Drawing:
    """Maps the numbers, all in ``unit``, to the axis.

    ``level`` is the confidence of each bound, None for an exact quantity. A sampled quantity without a bound
    could lie anywhere on that side, so its range runs to the end of the axis; an exact one has no range.
    """
    if level is None:
        low = high = None
    scale = _Scale.around([number for number in (value, low, high, threshold) if number is not None], unit)
    label = "" if threshold is None else format_threshold(threshold, direction, unit)
    limit = None if threshold is None else scale.x(threshold)
    words = [format_quantity(value, unit, beside=threshold), *_interval_words(low, high, level, unit)]
    if threshold is not None:
        words.append(f"limit {_WORDS[direction]} {format_quantity(threshold, unit)}")
    return Drawing(
        css=css,
        description=", ".join(words),
        dot=scale.x(value),
        limit=limit,
        range_start=_range_end(scale, low, AXIS_START, level),
        range_end=_range_end(scale, high, AXIS_END, level),
        label=label,
        label_x=_label_x(limit, label),
    )


@dataclass(frozen=True)
class _Scale:
    start: float
    end: float

    @classmethod
    def around(cls, numbers: list[float], unit: Unit) -> "_Scale":
        low, high = min(numbers), max(numbers)
        room = _PADDING * (high - low) or 0.1 * abs(high) or 0.5
        start, end = low - room, high + room
        if low >= 0 and unit != "":
            start = max(0.0, start)
        if high <= 1 and unit == "%":
            end = min(1.0, end)
        return cls(start, end)

    def x(self, number: float) -> float:
        share = (number - self.start) / (self.end - self.start)
        return round(AXIS_START + share * (AXIS_END - AXIS_START), 1)


def _range_end(scale: _Scale, bound: float | None, edge: float, level: float | None) -> float | None:
    if bound is not None:
        return scale.x(bound)
    return None if level is None else edge


def _label_x(limit: float | None, label: str) -> float:
    """Under the limit, but never beyond the view box."""
    half = len(label) * _CHARACTER_WIDTH / 2
    centre = WIDTH / 2 if limit is None else limit
    return round(min(max(centre, half), WIDTH - half), 1)


def _interval_words(low: float | None, high: float | None, level: float | None, unit: Unit) -> list[str]:
    if level is None:
        return []
    if low is not None and high is not None:
        percent = format_percent(2 * level - 1, 0)
        return [f"{percent} interval {format_quantity(low, unit)} to {format_quantity(high, unit)}"]
    if low is not None:
        return [f"lower bound {format_quantity(low, unit)}", "no upper bound yet"]
    if high is not None:
        return [f"upper bound {format_quantity(high, unit)}", "no lower bound yet"]
    return ["no interval yet"]
