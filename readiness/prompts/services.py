"""Writes of prompts: a version, once saved, never changes."""

import hashlib
import json
from collections.abc import Mapping

from django.db import transaction
from django.db.models import Max
from django.utils.text import slugify

from readiness.accounts.models import User
from readiness.projects.models import Project
from readiness.prompts.models import Prompt, PromptVersion


def content_hash(*, system: str, user: str, parameters: Mapping[str, object]) -> str:
    """SHA-256 of the canonical JSON of everything that shapes the model's answer."""
    canonical = json.dumps(
        {"system": system, "user": user, "parameters": dict(parameters)},
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def create_prompt(*, project: Project, name: str) -> Prompt:
    """A new prompt without versions; the slug is made from the name and kept unique in the project."""
    base = slugify(name)[:50] or "prompt"
    slug, number = base, 2
    while Prompt.objects.filter(project=project, slug=slug).exists():
        slug, number = f"{base}-{number}", number + 1
    return Prompt.objects.create(project=project, name=name, slug=slug)


@transaction.atomic
def save_version(
    *,
    prompt: Prompt,
    system: str,
    user: str,
    parameters: Mapping[str, object],
    by: User | None,
    note: str = "",
) -> PromptVersion:
    """The version with this content: the one that exists already, or a new one with the next number.

    Locks the prompt, so that two saves at once get two numbers.
    """
    Prompt.objects.select_for_update().get(pk=prompt.pk)
    digest = content_hash(system=system, user=user, parameters=parameters)
    if existing := prompt.versions.filter(content_hash=digest).first():
        return existing
    last: int = prompt.versions.aggregate(last=Max("number"))["last"] or 0
    return PromptVersion.objects.create(
        prompt=prompt,
        number=last + 1,
        system=system,
        user=user,
        parameters=dict(parameters),
        content_hash=digest,
        note=note,
        created_by=by,
    )
