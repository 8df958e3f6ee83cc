from types import SimpleNamespace

import pytest

from readiness.prompts.rendering import PromptError, check, render
from readiness.providers.base import Message


def prompt(user: str, system: str = "") -> SimpleNamespace:
    return SimpleNamespace(system=system, user=user)


def test_render_fills_both_variables():
    rendered = render(
        prompt("{{ question }} / {{ source }}", "Rules"), question="How long?", source="Ten days."
    )
    assert rendered == (Message("system", "Rules"), Message("user", "How long? / Ten days."))


def test_render_leaves_out_an_empty_system_text():
    assert [message.role for message in render(prompt("{{ question }}", "  "), question="q", source="")] == [
        "user"
    ]


def test_render_takes_braces_in_the_example_as_plain_text():
    rendered = render(prompt("{{ source }}"), question="", source="{{ question }} {% if %}")
    assert rendered[0].content == "{{ question }} {% if %}"


def test_render_supports_conditions():
    text = "{% if source %}From: {{ source }}{% else %}No source{% endif %}"
    assert render(prompt(text), question="", source="")[0].content == "No source"


def test_check_names_the_unknown_variable():
    with pytest.raises(PromptError, match=r"“customer”.*“question”, “source”"):
        check("Dear {{ customer }}")


def test_check_names_the_line_of_a_syntax_error():
    with pytest.raises(PromptError, match="Line 2"):
        check("fine\n{{ question ")


def test_render_refuses_to_leave_the_sandbox():
    with pytest.raises(PromptError):
        render(prompt("{{ question.__class__.__mro__ }}"), question="q", source="")
