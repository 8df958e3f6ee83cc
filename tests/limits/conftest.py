"""An upstream in front of an empty Redis, with three tiers."""

import pytest
import redis

from tests.limits.harness import Upstream, publish


@pytest.fixture
def upstream(redis_server: redis.Redis) -> Upstream:
    """60 requests a minute; tiers pro (weight 4) and free (weight 1)."""
    publish(redis_server, pro={"weight": 4}, free={"weight": 1})
    return Upstream(redis_server)
