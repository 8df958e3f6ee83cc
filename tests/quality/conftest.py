"""A project with spot-checks on. Rows are imported inside: pytest reads this file before Django is set up."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from readiness.inference.dispatch import Door
    from readiness.quality.models import SpotCheck, SpotCheckPolicy
    from tests.quality.support import Provider


@pytest.fixture
def provider() -> "Provider":
    from tests.quality.support import Provider

    return Provider()


@pytest.fixture
def door(provider: "Provider", redis_server: object) -> Callable[[], object]:
    """``async with door() as opened``: the real door, its provider being the script."""
    from readiness.inference.dispatch import open_door
    from readiness.providers.registry import ClientPool

    @asynccontextmanager
    async def opened() -> "AsyncIterator[Door]":
        async with open_door(ClientPool(transport=httpx.MockTransport(provider))) as door:
            yield door

    return opened


@pytest.fixture
def policy(project) -> "SpotCheckPolicy":
    from readiness.quality.models import SpotCheckPolicy
    from tests.quality.support import priced

    return SpotCheckPolicy.objects.create(
        project=project, daily_minimum=50, share=0.01, judge=priced("judge"), reask_count=2
    )


@pytest.fixture
def make_check(project) -> "Callable[..., SpotCheck]":
    """A sampled answer that waits to be checked; keywords go to the answer."""
    from readiness.quality.models import SpotCheck
    from tests.builders import make_logged_answer, make_prompt_version
    from tests.quality.support import NOW, priced

    deployment = priced("writer")
    prompt = make_prompt_version(project)

    def make(*, drawn: bool = False, **values: object) -> SpotCheck:
        own = {"deployment": deployment, "prompt_version_id": prompt.pk, "prompt_hash": prompt.content_hash}
        answer = make_logged_answer(project, **own | values)
        return SpotCheck.objects.create(
            project=project,
            answer=answer,
            deployment=answer.deployment,
            prompt_hash=answer.prompt_hash,
            sampled_at=NOW,
            inclusion_probability=0.5,
            drawn_for_review=drawn,
        )

    return make
