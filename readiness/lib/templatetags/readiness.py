"""Template filters and tags that every page may use without loading them."""

from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from readiness.lib.formats import (
    column_words,
    format_ago,
    format_compact,
    format_milliseconds,
    format_percent,
    format_seconds,
)
from readiness.lib.icons import SHAPES, STATUS_SHAPES
from readiness.lib.money import format_usd

NOTHING = "–"
"""Shown where a value was not observed."""

register = template.Library()
register.filter(column_words)


@register.filter
def usd(amount_nanos: int | None) -> str:
    """Nano-dollars as money: ``$0.0021``."""
    return NOTHING if amount_nanos is None else format_usd(amount_nanos)


@register.filter
def percent(share: float | None, places: int = 1) -> str:
    """A share of 1 as ``95.3 %``."""
    return NOTHING if share is None else format_percent(share, places)


@register.filter
def milliseconds(value: float | None) -> str:
    """``240 ms`` or ``2.4 s``."""
    return NOTHING if value is None else format_milliseconds(value)


@register.filter
def seconds(value: float | None) -> str:
    """A duration: ``45 s``, ``11 min``, ``2 h 5 min``."""
    return NOTHING if value is None else format_seconds(value)


@register.filter
def compact(value: float | None) -> str:
    """``18,204`` or ``3.4 M``."""
    return NOTHING if value is None else format_compact(value)


@register.filter
def ago(at: datetime | None) -> str:
    """A ``<time>`` element: relative to now, with the exact time (UTC) on hover."""
    if at is None:
        return NOTHING
    exact = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(timespec="seconds"),
        f"{exact:%-d %b %Y, %H:%M:%S} UTC",
        format_ago(exact, timezone.now()),
    )


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An inline ``<svg>`` by shape or by a status's class; hidden from screen readers without a label."""
    shape = mark_safe(SHAPES[STATUS_SHAPES.get(name, name)])  # noqa: S308 - a constant of ours
    if label:
        return format_html(
            '<svg class="icon" viewBox="0 0 12 12" role="img" aria-label="{}">{}</svg>', label, shape
        )
    return format_html('<svg class="icon" viewBox="0 0 12 12" aria-hidden="true">{}</svg>', shape)
