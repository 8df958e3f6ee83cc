"""Takes the pictures of docs/images from a running site with the demo: wide, narrow, and dark.

    python docs/screenshots.py --url http://127.0.0.1:8000 --user alice --password … [name …]

Needs Chromium (``apt-get install chromium``) and the test dependencies. A page whose address is not known
before the demo has run is reached from another one by ``follow``, the CSS selector of a link.
"""

import argparse
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

IMAGES = Path(__file__).parent / "images"
PROJECT = "handbook-assistant"
_REVEALED_MS = 1500
"""Until what is fetched when it comes into view is there and drawn."""
RUNNING = "run"
"""The picture of a run in progress; one is started for it."""


@dataclass(frozen=True)
class Shot:
    """One page. ``{project}`` in the path is the demo's slug; ``wait_for`` must be visible first.

    What ``focus`` selects, if anything, comes to the top of the window.
    """

    name: str
    path: str
    follow: str = ""
    wait_for: str = "main h1"
    focus: str = ""


SHOTS = (
    Shot(RUNNING, "/p/{project}/benchmarks/", follow="main table a"),
    # While the run waits for its quota.
    Shot("limits", "/p/{project}/limits/", wait_for=".js-plotly-plot", focus=".panel:has(.status.running)"),
    Shot("projects", "/"),
    Shot("overview", "/p/{project}/"),
    Shot("step", "/p/{project}/step/3/"),
    Shot("comparison", "/p/{project}/benchmarks/?state=done", follow="main table a"),
    Shot("traffic", "/p/{project}/traffic/", wait_for=".js-plotly-plot"),
    Shot("review", "/p/{project}/reviews/"),
)


@dataclass(frozen=True)
class Look:
    """One window: its suffix in the file's name, its size, its colour scheme."""

    suffix: str
    width: int
    height: int
    scheme: str = "light"


LOOKS = (Look("", 1440, 900), Look("-narrow", 390, 844), Look("-dark", 1440, 900, "dark"))


def sign_in(page: Page, user: str, password: str) -> None:
    """Through the sign-in form, as a person does."""
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector("main h1")


def start_run(browser: Browser, options: argparse.Namespace) -> None:
    """Starts a benchmark of all models through the form, and waits until its first answers are in."""
    page = browser.new_page(base_url=options.url)
    sign_in(page, options.user, options.password)
    page.goto(f"/p/{options.project}/benchmarks/new/")
    for name in ("dataset_version", "prompt_version"):
        page.locator(f"select[name={name}]").select_option(index=1)
    row = "box => (box.closest('tr, li, label') || box.parentElement).textContent"
    for model in page.locator("input[name=deployments]").all():
        if "judge" not in model.evaluate(row):
            model.check()
    for scorer in ("contains", "token_f1", "unsupported_details"):
        page.locator(f"input[name=scorers][value={scorer}]").check()
    page.get_by_role("button", name="Estimate cost and time").click()
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_function("() => document.querySelector('#progress progress')?.value > 100", timeout=60_000)
    page.close()


def take(browser: Browser, look: Look, shots: Iterable[Shot], options: argparse.Namespace) -> None:
    """All shots in one window."""
    context = browser.new_context(
        base_url=options.url,
        viewport={"width": look.width, "height": look.height},
        color_scheme="dark" if look.scheme == "dark" else "light",
        device_scale_factor=options.scale,
    )
    page = context.new_page()
    sign_in(page, options.user, options.password)
    for shot in shots:
        page.goto(shot.path.format(project=options.project))
        if shot.follow:
            page.locator(shot.follow).first.click()
        page.wait_for_selector(shot.wait_for)
        page.wait_for_load_state("networkidle")
        if shot.focus:
            page.locator(shot.focus).first.evaluate("element => element.scrollIntoView()")
            page.wait_for_timeout(_REVEALED_MS)
        page.screenshot(path=options.out / f"{shot.name}{look.suffix}.png", full_page=options.full)
    context.close()


def main(arguments: list[str]) -> None:
    """Reads the command line and takes the pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", help="only these pages: " + ", ".join(shot.name for shot in SHOTS)
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="alice")
    parser.add_argument("--password", required=True)
    parser.add_argument("--project", default=PROJECT)
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--full", action="store_true", help="the whole page instead of the window")
    parser.add_argument("--scale", type=float, default=1.0, help="pixels per CSS pixel")
    options = parser.parse_args(arguments)
    shots = [shot for shot in SHOTS if not options.names or shot.name in options.names]
    options.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        if any(shot.name == RUNNING for shot in shots):
            start_run(browser, options)
        for look in LOOKS:
            take(browser, look, shots, options)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
