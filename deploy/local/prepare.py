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
from django.core.management import call_command

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


def main() -> int:
    """Entry point; a wrong setting is told in one line, without a traceback."""
    try:
        django.setup()
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)
        return 1
    call_command("migrate", interactive=False, verbosity=0)
    if not settings.DEBUG:
        collect_static(settings.VAR_DIR / "static.stamp")
    if env_bool("READINESS_DEMO", True):
        call_command("seed_demo")
    return 0


if __name__ == "__main__":
    sys.exit(main())
