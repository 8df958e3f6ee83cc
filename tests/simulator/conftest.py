"""A simulated service in this process, with time in the test's hands."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from readiness.simulator.app import create_app
from tests.simulator.builders import KEY, MODEL, ManualClock, make_profile

Simulate = Callable[..., httpx.AsyncClient]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def simulate(clock: ManualClock) -> AsyncIterator[Simulate]:
    """``simulate(hallucination_rate=1)``: a client of a new service whose only model has these properties."""
    async with AsyncExitStack() as stack:

        def connect(*, seed: int = 0, speed: float = 1.0, **profile: Any) -> httpx.AsyncClient:
            app = create_app(
                profiles={MODEL: make_profile(**profile)},
                seed=seed,
                speed=speed,
                clock=clock,
                sleep=clock.sleep,
            )
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://simulator",
                headers={"authorization": f"Bearer {KEY}"},
            )
            stack.push_async_callback(client.aclose)
            return client

        yield connect
