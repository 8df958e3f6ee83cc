"""Customers of the demo: questions asked through the one door, their answers logged as in production."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final

from asgiref.sync import sync_to_async

from readiness.checklist.queries import target_of
from readiness.demo.content import Question
from readiness.inference.dispatch import Call, Door, Result
from readiness.inference.services import log_answer
from readiness.lib.events import Purpose
from readiness.limits.tickets import LimiterUnavailableError, RefusedError
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.prompts.rendering import render
from readiness.providers.base import DeploymentSpec, ProviderError
from readiness.providers.queries import deployment_spec

TENANTS: Final[Mapping[str, Sequence[str]]] = {
    "enterprise": ("northgrid", "city-of-tillmere"),
    "pro": ("kestrel-homes", "brightroof", "oskby-solar"),
    "free": ("visitor-1", "visitor-2", "visitor-3", "visitor-4", "visitor-5"),
}
"""Tier to the customers in it; each asks as often as any other."""

LONGEST_WAIT_S: Final = 20.0

Failure = ProviderError | RefusedError | LimiterUnavailableError
"""What an AI service, or our own limits, can do to a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """What answers the customers: the project's target, detached from the database."""

    project_id: int
    spec: DeploymentSpec
    prompt: PromptVersion

    @property
    def max_tokens(self) -> int:
        own = self.prompt.parameters.get("max_tokens")
        return own if isinstance(own, int) else self.spec.max_output_tokens

    @property
    def parameters(self) -> dict[str, Any]:
        """Wire parameters; the prompt version's win over the deployment's."""
        merged = {**self.spec.parameters, **self.prompt.parameters}
        merged.pop("max_tokens", None)
        return merged


def product_of(project: Project, now: datetime) -> Product | None:
    """None where the project's target names no active deployment or no prompt."""
    target = target_of(project)
    if target.deployment is None or not target.deployment.active or target.prompt_version is None:
        return None
    return Product(
        project_id=project.pk,
        spec=deployment_spec(target.deployment.pk, now.date()),
        prompt=target.prompt_version,
    )


async def ask_all(
    door: Door,
    product: Product,
    asked: Iterable[Question],
    *,
    random: Random,
    at_once: int,
    clock: Callable[[], datetime],
) -> list[Failure]:
    """Asks each question as a customer drawn by chance, a few at once; returns what went wrong."""
    slots = asyncio.Semaphore(at_once)

    async def ask(question: Question, tier: str, tenant: str) -> Failure | None:
        async with slots:
            try:
                await _ask(door, product, question, tier, tenant, clock)
            except (ProviderError, RefusedError, LimiterUnavailableError) as failure:
                return failure
            return None

    customers = [(tier, tenant) for tier, tenants in TENANTS.items() for tenant in tenants]
    ends = await asyncio.gather(*(ask(question, *random.choice(customers)) for question in asked))
    return [end for end in ends if end is not None]


async def _ask(
    door: Door,
    product: Product,
    question: Question,
    tier: str,
    tenant: str,
    clock: Callable[[], datetime],
) -> None:
    async def store(result: Result) -> None:
        await sync_to_async(log_answer)(
            result=result,
            project_id=product.project_id,
            deployment_id=product.spec.id,
            at=clock(),
            question=question.question,
            source=question.source,
            stratum=question.stratum,
            prompt_hash=product.prompt.content_hash,
            prompt_version_id=product.prompt.pk,
        )

    call = Call(
        spec=product.spec,
        messages=render(product.prompt, question=question.question, source=question.source),
        max_tokens=product.max_tokens,
        parameters=product.parameters,
        project_id=product.project_id,
        tier=tier,
        tenant=tenant,
        purpose=Purpose.APP,
        prompt_hash=product.prompt.content_hash,
        longest_wait_s=LONGEST_WAIT_S,
    )
    await door.dispatch(call, store=store)
