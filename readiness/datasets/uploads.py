"""Uploaded files between the dry run and the confirmation: private, few and short-lived.

A file lies in ``VAR_DIR/uploads`` under a random name. The browser gets a signed token that names the file,
the person and the project; nobody else, and no other project, can use it.
"""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core import signing
from django.core.files.uploadedfile import UploadedFile

from readiness.accounts.models import User
from readiness.datasets.importers.files import format_of
from readiness.projects.models import Project

MAX_UPLOAD_BYTES = 50 * 1024 * 1024
LIFETIME_S = 3600
"""After this a file is deleted by the next upload, and its token is refused."""
MAX_STORE_BYTES = 1024 * 1024 * 1024
"""Room for all uploads together."""
SALT = "readiness.datasets.uploads"


class NoRoomError(Exception):
    """The room for uploads is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file that waits for its confirmation."""

    path: Path
    name: str
    """As the person's computer called it: untrusted."""
    file_format: str
    dataset_name: str


def keep_upload(*, project: Project, user: User, file: "UploadedFile[bytes]", dataset_name: str) -> str:
    """Stores the file and returns its token. Raises NoRoomError when too much is waiting."""
    folder = _folder()
    _delete_expired(folder)
    if sum(path.stat().st_size for path in folder.iterdir()) + (file.size or 0) > MAX_STORE_BYTES:
        raise NoRoomError("The server's room for uploads is full; try again in an hour.")
    file_id = secrets.token_hex(16)
    with (folder / file_id).open("xb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    content = {
        "file": file_id, "name": (file.name or "")[:200], "dataset": dataset_name,
        "project": project.pk, "user": user.pk,
    }  # fmt: skip
    return signing.dumps(content, salt=SALT, compress=True)


def find_upload(token: str, *, project: Project, user: User) -> Upload | None:
    """The upload of this person in this project; None when it expired, was imported or is not theirs."""
    try:
        content = signing.loads(token, salt=SALT, max_age=LIFETIME_S)
    except signing.BadSignature:
        return None
    path = _folder() / content["file"]
    file_format = format_of(content["name"])
    if (content["project"], content["user"]) != (project.pk, user.pk) or file_format is None:
        return None
    if not path.is_file():
        return None
    return Upload(path=path, name=content["name"], file_format=file_format, dataset_name=content["dataset"])


def discard_upload(upload: Upload) -> None:
    upload.path.unlink(missing_ok=True)


def _folder() -> Path:
    folder = Path(settings.VAR_DIR) / "uploads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _delete_expired(folder: Path) -> None:
    oldest = time.time() - LIFETIME_S
    for path in folder.iterdir():
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
