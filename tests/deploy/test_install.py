import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.install import (
    InstallError,
    create,
    digest_of,
    forget_outdated,
    install,
    is_usable,
    stamp_of,
)

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "local" / "python.sh"


def full_disk(folder: Path) -> int:
    return 1_000_000


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that the tests of this file share, because making one takes seconds."""
    folder = tmp_path_factory.mktemp("checkout") / ".venv"
    create(folder)
    return folder


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    """A requirements file without packages, under a name that no other test has."""
    path = tmp_path / f"{tmp_path.name}.txt"
    path.write_text("# no packages\n", encoding="utf-8")
    return path


def test_install_does_nothing_until_the_pins_change(environment: Path, requirements: Path) -> None:
    assert install(environment, requirements) is True
    assert install(environment, requirements) is False
    requirements.write_text("# changed\n", encoding="utf-8")
    assert install(environment, requirements) is True


def test_install_says_that_the_disk_is_full_and_changes_nothing(tmp_path: Path, requirements: Path) -> None:
    with pytest.raises(InstallError, match=r"has 0\.0 GB free and 1\.2 GB are needed"):
        install(tmp_path / ".venv", requirements, free=full_disk)
    assert not (tmp_path / ".venv").exists()


def test_failed_installation_is_tried_again(environment: Path, requirements: Path) -> None:
    requirements.write_text("no-hash-given==1.0\n", encoding="utf-8")
    with pytest.raises(InstallError, match="pip could not install"):
        install(environment, requirements)
    assert not stamp_of(environment, requirements).exists()


def test_environment_that_cannot_be_made_is_told_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InstallError, match="Could not make"):
        create(tmp_path / "file" / ".venv")


def test_made_environment_is_usable(environment: Path) -> None:
    assert is_usable(environment / "bin" / "python")


def test_environment_of_a_removed_python_is_not_usable(tmp_path: Path) -> None:
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(tmp_path / "removed")
    assert not is_usable(python)


def test_stamps_of_changed_files_are_forgotten(tmp_path: Path) -> None:
    for name in ("kept", "changed"):
        requirements = tmp_path / f"{name}.txt"
        requirements.write_text("# before\n", encoding="utf-8")
        stamp_of(tmp_path, requirements).write_text(digest_of(requirements), encoding="utf-8")
    (tmp_path / "changed.txt").write_text("# after\n", encoding="utf-8")
    forget_outdated(tmp_path, tmp_path)
    assert [stamp.name for stamp in tmp_path.glob(".installed-*")] == [".installed-kept"]


def fake_python(folder: Path, name: str, *, version: str, has_venv: bool = True) -> None:
    """A stand-in interpreter that answers the script's three questions."""
    path = folder / name
    path.write_text(
        "#!/bin/sh\n"
        'case "$2" in\n'
        f'  *version_info\\[:2\\]*) echo "{path} is Python {version}" ;;\n'
        f"  *version_info*) exit {0 if tuple(map(int, version.split('.'))) >= (3, 11) else 1} ;;\n"
        f"  *ensurepip*) exit {0 if has_venv else 1} ;;\n"
        f'  *) echo "{path}" ;;\n'
        "esac\n",
        encoding="utf-8",
    )
    path.chmod(0o755)


def choose_python(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), **variables}
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False
    )


def test_python_script_takes_the_first_that_is_new_enough(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", version="3.9")
    fake_python(tmp_path, "python3.12", version="3.12")
    fake_python(tmp_path, "python3.11", version="3.11")
    assert choose_python(tmp_path).stdout.strip() == str(tmp_path / "python3.12")


def test_python_script_says_what_is_too_old(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", version="3.9")
    chosen = choose_python(tmp_path)
    assert chosen.returncode == 1
    assert "needs Python 3.11 or newer" in chosen.stderr
    assert "is Python 3.9, which is too old" in chosen.stderr


def test_python_script_says_that_venv_is_missing(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", version="3.12", has_venv=False)
    chosen = choose_python(tmp_path)
    assert chosen.returncode == 1
    assert "apt install python3-venv" in chosen.stderr


def test_python_script_looks_at_nothing_else_when_one_is_named(tmp_path: Path) -> None:
    fake_python(tmp_path, "python3", version="3.12")
    fake_python(tmp_path, "mine", version="3.9")
    assert choose_python(tmp_path, PYTHON=str(tmp_path / "mine")).returncode == 1


def test_python_script_accepts_this_interpreter(tmp_path: Path) -> None:
    assert Path(choose_python(tmp_path, PYTHON=sys.executable).stdout.strip()).exists()
