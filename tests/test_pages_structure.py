"""What holds for every page, whoever wrote it: its templates, its addresses, and who may open them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import URLResolver, get_resolver, reverse
from django.urls.resolvers import RegexPattern, RoutePattern

TEMPLATES = Path(settings.BASE_DIR) / "templates"
COMMENT = re.compile(r"\{% comment %\}.*?\{% endcomment %\}", re.DOTALL)
TEXTS = {
    path.relative_to(TEMPLATES).as_posix(): COMMENT.sub("", path.read_text(encoding="utf-8"))
    for path in sorted(TEMPLATES.rglob("*.html"))
}
"""Every template's text by its name, without comments."""
PYTHON = sorted((Path(settings.BASE_DIR) / "readiness").rglob("*.py"))

OPEN_TO_EVERYBODY = {"health", "accounts:login"}
"""Views that need no sign-in; any other must be behind it."""

DUMMIES = {
    "IntConverter": 1,
    "UUIDConverter": UUID(int=1),
    "SlugConverter": "nothing",
    "StringConverter": "x",
}
EXTENSION = "csv"
"""Fits the parameter ``extension`` of a download, which is a regular expression's."""


@dataclass(frozen=True)
class Route:
    """One URL pattern: its full name, its path as written, and a value for each of its parameters."""

    name: str
    path: str
    dummies: dict[str, object]

    def address(self, slug: str) -> str:
        """An address with the project's slug, and something that does not exist for every other parameter."""
        return reverse(self.name, kwargs=self.dummies | ({"slug": slug} if "slug" in self.dummies else {}))


def dummies_of(pattern: RoutePattern | RegexPattern) -> dict[str, object]:
    if isinstance(pattern, RegexPattern):
        return dict.fromkeys(pattern.regex.groupindex, EXTENSION)
    return {name: DUMMIES[type(converter).__name__] for name, converter in pattern.converters.items()}


def routes(
    resolver: URLResolver, *, namespace: str = "", path: str = "", inherited: dict[str, object] | None = None
) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        here = path + str(pattern.pattern)
        dummies = (inherited or {}) | dummies_of(pattern.pattern)
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            if pattern.namespace != "admin":
                yield from routes(pattern, namespace=inner, path=here, inherited=dummies)
        elif pattern.name:
            yield Route(f"{namespace}{pattern.name}", here, dummies)


OURS = list(routes(get_resolver()))
OF_PROJECTS = [route for route in OURS if route.path.startswith("p/<slug:slug>/")]
NAMES = {route.name for route in OURS} | {"admin:index"}


def named(found: list[Route]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("route", found, ids=lambda route: route.name)


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("an inline script", r"<script\b(?![^>]*\bsrc=)"),
        ("a <style> element", r"<style\b"),
        ("a style attribute", r"\sstyle\s*="),
        ("an event handler", r"\son[a-z]+\s*="),
        ("an htmx handler, which is evaluated", r"\bhx-on\b"),
        ("an htmx trigger filter, which is evaluated", r"hx-trigger=\"[^\"]*\w\["),
        ("an htmx value that is evaluated", r"[\"']js:"),
        ("a javascript: address", r"javascript:"),
        ("another site's file", r"<(?:script|link|img)\b[^>]*(?:src|href)=[\"'](?:https?:)?//"),
        ("unescaped output", r"(?<!help_text)\|\s*safe\b|autoescape off"),
    ],
)
def test_no_template_has_what_the_policy_refuses(what, pattern):
    found = {name: re.search(pattern, text, re.IGNORECASE) for name, text in TEXTS.items()}
    assert {name: match[0] for name, match in found.items() if match} == {}, what


def test_every_template_compiles():
    assert all(get_template(name) for name in TEXTS)


def used(pattern: str) -> dict[str, str]:
    """What the templates ask for by a name in quotes, to the first template that does."""
    return {found: name for name, text in TEXTS.items() for found in re.findall(pattern, text)}


def test_url_names_of_the_templates_exist():
    asked = used(r"""\{%\s*url\s+["']([^"']+)["']""")
    assert {url: name for url, name in asked.items() if url not in NAMES} == {}


def test_url_names_reversed_in_code_exist():
    pattern = r"""\b(?:reverse|reverse_lazy|redirect)\(\s*["']([\w-]+:[\w-]+)["']"""
    asked = {url for path in PYTHON for url in re.findall(pattern, path.read_text(encoding="utf-8"))}
    assert asked - NAMES == set()


def test_static_files_of_the_templates_exist():
    asked = used(r"""\{%\s*static\s+["']([^"']+)["']""")
    assert {path: name for path, name in asked.items() if not finders.find(path)} == {}


def test_templates_that_are_included_exist():
    asked = used(r"""\{%\s*(?:include|extends)\s+["']([^"']+)["']""")
    assert {path: name for path, name in asked.items() if not is_found(path)} == {}


def is_found(template: str) -> bool:
    try:
        return bool(get_template(template))
    except TemplateDoesNotExist:
        return False


@named([route for route in OURS if route.name not in OPEN_TO_EVERYBODY])
def test_view_is_behind_the_sign_in(client, db, route):
    response = client.get(route.address("handbook"))
    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("accounts:login"))


@named(OF_PROJECTS)
def test_project_address_does_not_exist_for_a_stranger(as_user, charlie, project, redis_server, route):
    client = as_user(charlie)
    address = route.address(project.slug)
    statuses = {client.get(address).status_code, client.post(address).status_code}
    assert 404 in statuses
    assert statuses <= {404, 405}


@named(OF_PROJECTS)
def test_project_address_asks_for_access_before_anything_else(as_user, auditor, project, redis_server, route):
    """Even where what it names does not exist: otherwise a refusal could rest on the missing row alone."""
    client = as_user(auditor)
    address = route.address(project.slug)
    response = client.get(address)
    if response.status_code == 405:
        response = client.post(address)
    assert response.wsgi_request.project == project


@named(OF_PROJECTS)
def test_project_address_lets_a_viewer_change_nothing(as_user, auditor, project, redis_server, route):
    assert as_user(auditor).post(route.address(project.slug)).status_code in {403, 404, 405}
