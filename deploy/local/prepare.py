"""Bring the database, the static files and the demo to the state of the code, in one process.

``python -m deploy.local.prepare`` is one interpreter for three commands: starting Django three times would
take longer than the work of a second start.
"""

import hashlib
import sys
from pathlib import Path

import django
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError

from readiness.lib.env import env_bool


def static_fingerprint() -> str:
    """Digest over name, size and time of every static file's source."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in sorted(finder.list([]), key=lambda found: found[0]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def collect_static(stamp: Path) -> bool:
    """Collect the static files when one has changed since the stamp; False when there was nothing to do."""
    fingerprint = static_fingerprint()
    unchanged = stamp.exists() and stamp.read_text(encoding="utf-8") == fingerprint
    if unchanged and Path(settings.STATIC_ROOT).is_dir():
        return False
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(fingerprint, encoding="utf-8")
    return True


def prepare() -> None:
    """Migrate, collect, seed; each does nothing where nothing is to be done."""
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)
    if not settings.DEBUG:
        collect_static(settings.VAR_DIR / "static.stamp")
    if env_bool("READINESS_DEMO", True):
        call_command("seed_demo")


def main() -> int:
    """Entry point; what a person can mend is told in one line, without a traceback."""
    try:
        prepare()
    except (ImproperlyConfigured, CommandError) as error:
        print(error, file=sys.stderr)
    except OperationalError as error:
        print(f"The database cannot be used: {error}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
