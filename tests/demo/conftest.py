"""A site on which the demo can be seeded, with a fast simulated AI service of the test's own."""

import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from readiness.demo.setup import Demo


@pytest.fixture
def site(
    transactional_db: None, redis_server: object, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiers, an address at which nothing answers yet, and a service without latency should one be started."""
    from readiness.projects.models import Tier

    for slug in ("enterprise", "pro", "free", "benchmark"):
        Tier.objects.get_or_create(slug=slug, defaults={"name": slug.title()})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.SIMULATOR_URL = f"http://127.0.0.1:{port}/v1"
    settings.DEMO_PASSWORD = "a-demo-password"
    monkeypatch.setenv("SIMULATOR_SPEED", "inf")


@pytest.fixture
def service(site: None) -> Iterator[None]:
    """The service is running, as it is beside the site."""
    from readiness.demo.simulated import running_service

    with running_service():
        yield


@pytest.fixture
def demo(service: None) -> "Demo":
    """The demo's rows before any call was made."""
    from django.utils import timezone

    from readiness.demo.content import Size
    from readiness.demo.setup import set_up
    from readiness.demo.simulated import profiles

    return set_up(size=Size(pilot_per_stratum=1), profiles=profiles(), now=timezone.now())
