"""The demo's rows that need no call to a model: people, project, providers, prompt, dataset, target, policy.

Every function finds what an earlier, interrupted seeding made, so that the next one goes on from there.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.checklist.services import TargetDetails, set_target
from readiness.datasets.models import DatasetVersion
from readiness.datasets.services import import_examples
from readiness.demo import content
from readiness.projects.models import Project
from readiness.projects.services import add_member, create_project
from readiness.prompts.models import Prompt, PromptVersion
from readiness.prompts.services import create_prompt, save_version
from readiness.providers.models import Deployment, PriceUnit, ProviderAccount
from readiness.providers.services import Price, create_account, create_deployment
from readiness.quality.services.policy import PolicyDetails, save_policy


@dataclass(frozen=True, kw_only=True)
class Demo:
    """The demo's rows, by what they are for."""

    project: Project
    people: Mapping[str, User]
    deployments: Mapping[str, Deployment]
    """By name, the judge's among them."""
    prompts: Sequence[PromptVersion]
    """Oldest first."""
    pilot: DatasetVersion
    compared_on: DatasetVersion
    newest: DatasetVersion

    @property
    def compared(self) -> list[Deployment]:
        return [self.deployments[name] for name in content.COMPARED]


def set_up(*, size: content.Size, profiles: Mapping[str, Any], now: datetime) -> Demo:
    """Everything up to the first call. ``profiles``: what the simulated AI service says of its models."""
    people = _people()
    project = _project(people)
    deployments = _deployments(people[content.SITE_ADMIN], profiles, now)
    by = people[content.MEMBER]
    demo = Demo(
        project=project,
        people=people,
        deployments=deployments,
        prompts=_prompts(project, by),
        pilot=_dataset(project, by, content.part(size.pilot_per_stratum), "pilot.jsonl"),
        compared_on=_dataset(project, by, content.part(size.compared_per_stratum), "comparison.jsonl"),
        newest=_dataset(project, by, content.questions(), "handbook.jsonl"),
    )
    set_target(
        actor=people[content.OWNER],
        project=project,
        details=TargetDetails(
            deployment=deployments[content.SHIPPED],
            prompt_version=demo.prompts[-1],
            dataset_version=demo.newest,
        ),
        now=now,
    )
    return demo


def _people() -> dict[str, User]:
    """Accounts has no service for a password that is known beforehand and stays, so this is written here.

    Somebody who has one of the names already keeps their account as it is.
    """
    return {name: _person(name) for name in (content.SITE_ADMIN, *content.ROLES)}


@transaction.atomic
def _person(name: str) -> User:
    found = User.objects.filter(username=name).first()
    if found is not None:
        return found
    is_admin = name == content.SITE_ADMIN
    person = User.objects.create_user(
        name,
        f"{name}@example.com",
        settings.DEMO_PASSWORD,
        is_superuser=is_admin,
        is_staff=is_admin,
    )
    record_audit(
        actor=None,
        action="person added",
        object_type="person",
        object_id=person.pk,
        object_label=name,
        changes={"site admin": (None, is_admin)},
    )
    return person


@transaction.atomic
def _project(people: Mapping[str, User]) -> Project:
    found = Project.objects.filter(is_demo=True).first()
    if found is not None:
        return found
    owner = people[content.OWNER]
    project = create_project(actor=owner, details=content.PROJECT)
    # No service marks a project as the demo: nobody but the seeding may.
    project.is_demo = True
    project.save(update_fields=["is_demo"])
    for name, role in content.ROLES.items():
        if name != content.OWNER:
            add_member(actor=owner, project=project, user=people[name], role=role)
    return project


def _deployments(actor: User, profiles: Mapping[str, Any], now: datetime) -> dict[str, Deployment]:
    account = ProviderAccount.objects.filter(project=None, name=content.ACCOUNT).first()
    if account is None:
        account = create_account(
            actor=actor,
            project=None,
            name=content.ACCOUNT,
            base_url=settings.SIMULATOR_URL,
            api_key=content.API_KEY,
        )
    known = {deployment.model: deployment for deployment in account.deployments.all()}
    return {
        name: known.get(model) or _deployment(actor, account, name, model, profiles[model], now)
        for name, model in content.DEPLOYMENTS.items()
    }


def _deployment(
    actor: User, account: ProviderAccount, name: str, model: str, profile: Mapping[str, Any], now: datetime
) -> Deployment:
    """A deployment at the service's own prices, and within its quota."""
    price = profile["price"]
    dollars = {
        PriceUnit.INPUT_TOKEN: price["input_usd_per_million"],
        PriceUnit.OUTPUT_TOKEN: price["output_usd_per_million"],
    }
    granted: Mapping[str, Any] = profile["quota"]
    limits: dict[str, int | None] = {
        unit: granted[unit] and int(granted[unit] * content.QUOTA_SHARE)
        for unit in ("rpm", "tpm", "rpd", "concurrency")
    }
    return create_deployment(
        actor=actor,
        account=account,
        prices=[Price(unit, Decimal(usd), now.date()) for unit, usd in dollars.items()],
        name=name,
        model=model,
        max_output_tokens=content.MOST_OUTPUT_TOKENS,
        rpm=limits["rpm"],
        tpm=limits["tpm"],
        rpd=limits["rpd"],
        concurrency=min(limits["concurrency"] or content.AT_ONCE, content.AT_ONCE),
    )


def _prompts(project: Project, by: User) -> list[PromptVersion]:
    prompt = Prompt.objects.filter(project=project, name=content.PROMPT).first()
    prompt = prompt or create_prompt(project=project, name=content.PROMPT)
    return [
        save_version(
            prompt=prompt,
            system=system,
            user=content.PROMPT_USER,
            parameters=content.PROMPT_PARAMETERS,
            note=note,
            by=by,
        )
        for system, note in content.PROMPT_VERSIONS
    ]


def _dataset(project: Project, by: User, asked: Sequence[content.Question], name: str) -> DatasetVersion:
    """A version of the dataset; the importer finds the one with the same content."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        lines = [json.dumps(question.as_row(), ensure_ascii=False) for question in asked]
        path.write_text("\n".join(lines), encoding="utf-8")
        imported = import_examples(
            project=project, dataset_name=content.DATASET, path=path, file_format="jsonl", by=by
        )
    return imported.version


def set_policy(demo: Demo, *, share: float) -> None:
    """Spot-checks on, of this share of the answers."""
    save_policy(
        actor=demo.people[content.OWNER],
        project=demo.project,
        details=PolicyDetails(
            enabled=True,
            daily_minimum=content.CHECKED_A_DAY,
            share=share,
            judge=demo.deployments[content.JUDGE],
            daily_budget_nanos=content.CHECKING_NANOS_A_DAY,
            reask_count=content.REASKS,
        ),
    )
