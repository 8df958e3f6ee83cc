"""Reads of prompts."""

from django.db.models import Count, Max, QuerySet

from readiness.projects.models import Project
from readiness.prompts.models import Prompt, PromptVersion


def prompts_of(project: Project) -> QuerySet[Prompt]:
    """The project's prompts with ``version_count`` and ``last_saved``."""
    return Prompt.objects.filter(project=project).annotate(
        version_count=Count("versions"), last_saved=Max("versions__created_at")
    )


def versions_of(project: Project) -> QuerySet[PromptVersion]:
    """Every version in the project, newest first within its prompt; for choices in forms."""
    return (
        PromptVersion.objects.filter(prompt__project=project)
        .select_related("prompt")
        .order_by("prompt__name", "-number")
    )


def latest_version(prompt: Prompt) -> PromptVersion | None:
    return prompt.versions.order_by("-number").first()
