"""What must hold before anything is started: secrets, room on the disk, free ports, nobody else at work."""

import fcntl
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from cryptography.fernet import Fernet

from deploy.local.install import InstallError, free_bytes, require_space

HOST = "127.0.0.1"
NEEDED_BYTES = 300_000_000
"""Room for the databases of a first session; SQLite and Redis's append-only file grow with use."""


class StartError(Exception):
    """The message says in plain words what is wrong and what to do."""


def write_environment(path: Path) -> bool:
    """Write an env file with fresh secrets, readable by its owner only; False when there is one already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    text = f"""\
# Written by the first `make up`; never overwritten. docs/configuration.md explains every setting.
# Keep this file: without READINESS_ENCRYPTION_KEYS the stored credentials of providers cannot be read.
READINESS_SECRET_KEY={secrets.token_urlsafe(50)}
READINESS_ENCRYPTION_KEYS={Fernet.generate_key().decode()}
READINESS_DEMO_PASSWORD={secrets.token_urlsafe(9)}
# 1 shows edits of pages and styles at once, and full error pages; only for work on Readiness itself.
READINESS_DEBUG=0
# 1 lets providers be reached at private addresses, such as the simulated AI service of the demo.
READINESS_ALLOW_PRIVATE_UPSTREAMS=1
"""
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def require_free_ports(ports: Mapping[str, int]) -> None:
    """Raise ``StartError`` for the first port that another program has.

    The keys are the variables that set the ports, so that the message can say how to choose another.
    """
    for variable, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                other = port + 1000 if port < 64_000 else port - 1000
                raise StartError(
                    f"Port {port} cannot be used ({error.strerror}). Stop the program that has it, "
                    f"or choose another port: make up {variable}={other}"
                ) from error
    if len(set(ports.values())) < len(ports):
        raise StartError(f"{', '.join(ports)} must be different ports.")


def prepare_folder(folder: Path, *, free: Callable[[Path], int] = free_bytes) -> IO[str]:
    """Make the data folder and take its lock, which lasts as long as the returned file is open.

    Raises ``StartError`` when the disk is too full or Readiness already runs on this folder.
    """
    try:
        require_space(folder.parent, NEEDED_BYTES, free=free)
    except InstallError as error:
        raise StartError(str(error)) from error
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = (folder / "local.lock").open("a", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StartError("Readiness already runs from this folder; stop it with Ctrl-C first.") from error
    return lock
