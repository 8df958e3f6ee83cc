"""Filters and tags that every template has."""

from datetime import UTC, datetime

import pytest
from django.template import Context, Template
from django.template.loader import render_to_string

from readiness.lib.icons import SHAPES, STATUS_SHAPES


def render(source, **context):
    return Template(source).render(Context(context))


@pytest.mark.parametrize("name", ["usd", "percent", "milliseconds", "seconds", "compact", "ago"])
def test_value_that_was_not_observed_is_a_dash(name):
    assert render("{{ value|" + name + " }}", value=None) == "–"


def test_ago_has_the_exact_time_on_hover():
    html = render("{{ at|ago }}", at=datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert 'datetime="2020-01-02T03:04:05+00:00"' in html
    assert 'title="2 Jan 2020, 03:04:05 UTC"' in html


def test_icon_without_a_label_is_hidden_from_screen_readers():
    assert 'aria-hidden="true"' in render('{% icon "tick" %}')


def test_icon_escapes_its_label():
    assert 'aria-label="&lt;b&gt;"' in render('{% icon "tick" label %}', label="<b>")


def test_icon_of_an_unknown_name_is_an_error():
    with pytest.raises(KeyError):
        render('{% icon "unicorn" %}')


def test_every_status_has_a_shape():
    assert set(STATUS_SHAPES.values()) <= set(SHAPES)


def test_status_shows_word_shape_and_class():
    html = render_to_string("components/_status.html", {"css": "running", "word": "Running"})
    assert 'class="status running"' in html
    assert "Running" in html
    assert "<svg" in html


def test_status_of_an_object_takes_its_shape():
    class Display:
        word, css, icon = "Attested", "attested", "signature"

    html = render_to_string("components/_status.html", {"status": Display})
    assert 'class="status attested"' in html
    assert SHAPES["signature"] in html
