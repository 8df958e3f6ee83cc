import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import get_finder
from pytest_django import Settings

from deploy.local.prepare import collect_static

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def source(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """The one static file of a small site."""
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [tmp_path / "static"]
    settings.STATIC_ROOT = tmp_path / "collected"
    get_finder.cache_clear()
    path = tmp_path / "static" / "site.css"
    path.parent.mkdir()
    path.write_text("a", encoding="utf-8")
    yield path
    get_finder.cache_clear()


def test_static_files_are_collected_once(source: Path, tmp_path: Path) -> None:
    assert collect_static(tmp_path / "stamp") is True
    assert (tmp_path / "collected" / "site.css").read_text(encoding="utf-8") == "a"
    assert collect_static(tmp_path / "stamp") is False


def test_static_files_are_collected_again_after_an_edit(source: Path, tmp_path: Path) -> None:
    collect_static(tmp_path / "stamp")
    source.write_text("edited", encoding="utf-8")
    assert collect_static(tmp_path / "stamp") is True
    assert (tmp_path / "collected" / "site.css").read_text(encoding="utf-8") == "edited"


def test_static_files_are_collected_again_when_they_are_gone(source: Path, tmp_path: Path) -> None:
    collect_static(tmp_path / "stamp")
    (tmp_path / "collected" / "site.css").unlink()
    (tmp_path / "collected").rmdir()
    assert collect_static(tmp_path / "stamp") is True


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"READINESS_DEBUG": "maybe"}, "READINESS_DEBUG must be 1 or 0."),
        (
            {"DATABASE_URL": "sqlite:////absent/folder/x.sqlite3"},
            "The database cannot be used: unable to open",
        ),
    ],
)
def test_what_a_person_can_mend_is_told_without_a_traceback(variables: dict[str, str], message: str) -> None:
    prepared = subprocess.run(
        [sys.executable, "-m", "deploy.local.prepare"],
        cwd=ROOT,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert prepared.returncode == 1
    assert message in prepared.stderr
    assert "Traceback" not in prepared.stderr
