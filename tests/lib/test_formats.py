"""Numbers, shares and times as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from readiness.lib.formats import (
    format_ago,
    format_compact,
    format_milliseconds,
    format_percent,
    format_seconds,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def plain(text):
    """With ordinary spaces, for reading."""
    return text.replace("\u00a0", " ")


def test_unit_never_parts_from_its_number():
    assert format_percent(0.5) == "50.0\u00a0%"


@pytest.mark.parametrize(
    ("share", "places", "text"), [(0.953, 1, "95.3 %"), (1, 0, "100 %"), (0, 1, "0.0 %")]
)
def test_format_percent(share, places, text):
    assert plain(format_percent(share, places)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 ms"), (240.4, "240 ms"), (2400, "2.4 s"), (59_900, "59.9 s"), (90_000, "1 min 30 s")],
)
def test_format_milliseconds(value, text):
    assert plain(format_milliseconds(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-3, "0 s"),
        (45.4, "45 s"),
        (60, "1 min"),
        (96, "1 min 36 s"),
        (599, "9 min 59 s"),
        (659, "10 min"),
        (7200, "2 h"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
        (259_200, "3 d"),
    ],
)
def test_format_seconds(value, text):
    assert plain(format_seconds(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (18_204, "18,204"),
        (-18_204, "-18,204"),
        (590_000, "590 k"),
        (999_700, "1.0 M"),
        (3_400_000, "3.4 M"),
        (1_200_000_000, "1.2 G"),
    ],
)
def test_format_compact(value, text):
    assert plain(format_compact(value)) == text


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=40), "40 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(days=6), "6 days ago"),
        (timedelta(days=60), "24 Sep 2026"),
        (-timedelta(seconds=5), "in a moment"),
        (-timedelta(days=3), "in 3 days"),
    ],
)
def test_format_ago(distance, text):
    assert plain(format_ago(NOW - distance, NOW)) == text
