"""Pages of the prompt library."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from readiness.lib.web import see_other
from readiness.projects.access import current_user, get_project
from readiness.projects.models import Role
from readiness.prompts.forms import PromptForm, VersionForm
from readiness.prompts.models import Prompt
from readiness.prompts.queries import latest_version, prompts_of
from readiness.prompts.services import create_prompt, save_version


@require_GET
def prompt_list(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_project(request, slug)
    context = {"project": project, "section": "prompts", "prompts": prompts_of(project)}
    return render(request, "prompts/list.html", context)


def new_prompt(request: HttpRequest, slug: str) -> HttpResponse:
    project = get_project(request, slug, Role.MEMBER)
    form = PromptForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        prompt = create_prompt(project=project, name=form.cleaned_data["name"])
        return redirect("prompts:new_version", slug, prompt.slug)
    return render(request, "prompts/new.html", {"project": project, "section": "prompts", "form": form})


def prompt_detail(request: HttpRequest, slug: str, prompt_slug: str) -> HttpResponse:
    project = get_project(request, slug)
    prompt = get_object_or_404(Prompt, project=project, slug=prompt_slug)
    versions = prompt.versions.select_related("created_by")
    context = {"project": project, "section": "prompts", "prompt": prompt, "versions": versions}
    return render(request, "prompts/detail.html", context)


def new_version(request: HttpRequest, slug: str, prompt_slug: str) -> HttpResponse:
    project = get_project(request, slug, Role.MEMBER)
    prompt = get_object_or_404(Prompt, project=project, slug=prompt_slug)
    latest = latest_version(prompt)
    initial = {"system": latest.system, "user": latest.user, **latest.parameters} if latest else {}
    form = VersionForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        version = save_version(
            prompt=prompt,
            system=form.cleaned_data["system"],
            user=form.cleaned_data["user"],
            parameters=form.parameters(),
            by=current_user(request),
            note=form.cleaned_data["note"],
        )
        unchanged = latest is not None and version.number <= latest.number
        text = f"Nothing changed: this is version {version.number}." if unchanged else f"Saved as {version}."
        messages.success(request, text)
        return see_other(request, reverse("prompts:detail", args=[slug, prompt.slug]))
    context = {"project": project, "section": "prompts", "prompt": prompt, "form": form, "latest": latest}
    return render(request, "prompts/new_version.html", context)
