"""Install the pinned packages: ``python deploy/local/install.py requirements/local.txt [environment]``.

Runs on the machine's own Python, before any package is there: standard library only. The digest of the
requirements file is kept in the environment, so that a start with nothing new to install costs milliseconds.
"""

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEEDED_BYTES = 1_200_000_000
"""An environment takes 0.3 GB, one for the tests 0.6 GB, and pip keeps what it downloads beside it."""


class InstallError(Exception):
    """The message says in plain words what is wrong and what to do."""


def free_bytes(folder: Path) -> int:
    """Bytes free on the disk that holds the folder."""
    return shutil.disk_usage(folder).free


def require_space(folder: Path, needed: int, *, free: Callable[[Path], int] = free_bytes) -> None:
    """Raise ``InstallError`` when fewer than ``needed`` bytes are free."""
    available = free(folder)
    if available < needed:
        raise InstallError(
            f"The disk is too full: {folder} has {available / 1e9:.1f} GB free and {needed / 1e9:.1f} GB are "
            "needed. Make room and start again; nothing was changed."
        )


def is_usable(python: Path) -> bool:
    """False when the environment is absent, or points at a Python that was removed or is too old."""
    if not python.exists():
        return False
    probe = [str(python), "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def stamp_of(environment: Path, requirements: Path) -> Path:
    """The file that says which state of the requirements file the environment holds."""
    return environment / f".installed-{requirements.stem}"


def install(environment: Path, requirements: Path, *, free: Callable[[Path], int] = free_bytes) -> bool:
    """Bring the environment to the pins; False when it stood there already.

    Raises ``InstallError`` when the disk is too full or pip fails; the next call starts over.
    """
    python = environment / "bin" / "python"
    digest = digest_of(requirements)
    stamp = stamp_of(environment, requirements)
    usable = is_usable(python)
    if usable and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return False
    require_space(environment.parent, NEEDED_BYTES, free=free)
    print(f"Installing the packages of {requirements.name}; the first time this takes a minute …", flush=True)
    if not usable:
        create(environment)
    forget_outdated(environment, requirements.parent)
    run_pip(python, requirements)
    stamp.write_text(digest, encoding="utf-8")
    return True


def create(environment: Path) -> None:
    """An empty environment with pip, in place of whatever stands there."""
    try:
        venv.create(environment, clear=True, symlinks=True, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InstallError(f"Could not make {environment} with {sys.executable}: {error}") from error


def forget_outdated(environment: Path, folder: Path) -> None:
    """Drop the stamps of files that have changed since: this installation moves the pins they share."""
    for stamp in environment.glob(".installed-*"):
        requirements = folder / f"{stamp.name.removeprefix('.installed-')}.txt"
        if not requirements.exists() or stamp.read_text(encoding="utf-8") != digest_of(requirements):
            stamp.unlink()


def digest_of(requirements: Path) -> str:
    """SHA-256 of the file, in hex."""
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def run_pip(python: Path, requirements: Path) -> None:
    """Install the pins, each checked against its hash; ready-made packages only, nothing is compiled."""
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
    ]
    command += ["--only-binary", ":all:", "--requirement", str(requirements)]
    if subprocess.run(command, check=False).returncode != 0:
        raise InstallError(
            "pip could not install the packages; its own message stands above. Usual causes: no network, a "
            "full disk, or a Python for which a package has no ready-made build yet (choose another one with "
            "PYTHON=python3.12)."
        )


def main(arguments: list[str]) -> int:
    """Entry point: the requirements file and, unless it is ``.venv``, the environment's folder."""
    requirements, *elsewhere = arguments
    environment = Path(elsewhere[0]) if elsewhere else ROOT / ".venv"
    try:
        install(environment, ROOT / requirements)
    except InstallError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
