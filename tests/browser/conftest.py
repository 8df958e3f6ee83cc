"""A real Chromium against the live server. Whatever the console complains about fails the test.

``page`` is a signed-out tab; ``sign_in(page, user)`` gives it a person's session; ``problems`` holds what the
console said so far, for tests that provoke an error on purpose and clear it.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, sync_playwright
from pytest_django.live_server_helper import LiveServer

if TYPE_CHECKING:
    from readiness.accounts.models import User

SWITCHES = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a browser test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser per file: Playwright's event loop must be gone before another file's async tests run."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    # Playwright's loop runs in this thread, where Django would then refuse to touch the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=SWITCHES)
            yield browser
            browser.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="session")
def live_server(django_db_setup: None, live_server: LiveServer) -> LiveServer:
    """Started after the test database is named: before, it looks like one in memory, whose single connection
    pytest-django shares between all threads of the server, and a file's connection does not survive that.
    """
    return live_server


@pytest.fixture
def problems() -> list[str]:
    """Errors of the console (a refused inline script or style is one), of scripts, and of the server."""
    return []


@pytest.fixture
def page(chromium: Browser, live_server: LiveServer, problems: list[str]) -> Iterator[Page]:
    """A new tab at the live server's address, without cookies."""
    context = chromium.new_context(base_url=live_server.url, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    page = context.new_page()

    def note_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(f"{message.text} ({message.location.get('url')})")

    def note_response(response: Response) -> None:
        if response.status >= 500:
            problems.append(f"{response.status} from {response.url}")

    page.on("console", note_console)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("response", note_response)
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def sign_in(live_server: LiveServer) -> "Callable[[Page, User], None]":
    """``sign_in(page, alice)``: a session without the sign-in form, for people without a password too."""

    def enter(page: Page, user: "User") -> None:
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])

    return enter
