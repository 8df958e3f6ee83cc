"""The limits page and the tier form.

Everybody in a project sees its queues and the tiers. Tiers belong to the site, so only site admins change
them.
"""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readiness.accounts.queries import audit_entries
from readiness.lib.web import see_other
from readiness.limits import services
from readiness.limits.tickets import LimiterUnavailableError
from readiness.operations.forms import NewTierForm, TierForm
from readiness.operations.queries import limits_page
from readiness.projects.access import current_user, get_project, require_site_admin
from readiness.projects.models import Project, Role, Tier
from readiness.providers.models import Deployment
from readiness.providers.queries import deployments_of

LAST_CHANGES = 10
TIER_FIELDS = tuple(TierForm.base_fields)

edits = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def limits(request: HttpRequest, slug: str) -> HttpResponse:
    """Buckets and queues of the project's deployments, and the tiers."""
    return render(request, "operations/limits.html", _limits_context(request, slug))


@require_safe
def limits_live(request: HttpRequest, slug: str) -> HttpResponse:
    """The part of the limits page that changes by itself."""
    return render(request, "operations/_live.html", _limits_context(request, slug))


def _limits_context(request: HttpRequest, slug: str) -> dict[str, object]:
    project = get_project(request, slug)
    return {
        "project": project,
        "section": "limits",
        "page": limits_page(project),
        "is_site_admin": current_user(request).is_site_admin,
    }


@require_POST
def resume(request: HttpRequest, slug: str, deployment_id: int) -> HttpResponse:
    """Lets calls to a deployment through again after its account was out of credit."""
    project = get_project(request, slug, Role.ADMIN)
    deployment = _deployment_to_resume(request, project, deployment_id)
    try:
        services.resume_deployment(actor=current_user(request), deployment=deployment, project=project)
    except LimiterUnavailableError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Calls to {deployment.name} go through again.")
    return see_other(request, reverse("operations:limits", args=[slug]))


def _deployment_to_resume(request: HttpRequest, project: Project, deployment_id: int) -> Deployment:
    """An account of the whole site spends the site's money, so only a site admin resumes it."""
    deployment = get_object_or_404(deployments_of(project), pk=deployment_id)
    if deployment.account.project_id is None:
        require_site_admin(request)
    return deployment


@require_safe
def tiers(request: HttpRequest) -> HttpResponse:
    """The site's tiers and what was last changed about them."""
    require_site_admin(request)
    context = {
        "section": "tiers",
        "tiers": Tier.objects.all(),
        "changes": audit_entries(kind="tier")[:LAST_CHANGES],
    }
    return render(request, "operations/tiers.html", context)


@edits
def tier(request: HttpRequest, tier_slug: str) -> HttpResponse:
    """Changes a tier; in force in every process with its next call to the limiter."""
    user = require_site_admin(request)
    found = get_object_or_404(Tier, slug=tier_slug)
    form = TierForm(request.POST or None, initial={name: getattr(found, name) for name in TIER_FIELDS})
    if request.method == "POST" and form.is_valid():
        done = _put_into_force(
            request, form, lambda: services.update_tier(actor=user, tier=found, values=form.cleaned_data)
        )
        if done:
            return see_other(request, reverse("operations:tiers"))
    return render(request, "operations/tier.html", {"section": "tiers", "tier": found, "form": form})


@edits
def new_tier(request: HttpRequest) -> HttpResponse:
    """Adds a tier."""
    user = require_site_admin(request)
    form = NewTierForm(request.POST or None, initial={"weight": 1, "longest_wait_seconds": 60})
    if request.method == "POST" and form.is_valid():
        values = {name: form.cleaned_data[name] for name in TIER_FIELDS}
        slug = form.cleaned_data["slug"]
        done = _put_into_force(
            request, form, lambda: services.create_tier(actor=user, slug=slug, values=values)
        )
        if done:
            return see_other(request, reverse("operations:tiers"))
    return render(request, "operations/tier.html", {"section": "tiers", "form": form})


def _put_into_force(request: HttpRequest, form: forms.Form, change: Callable[[], Tier]) -> bool:
    """Makes the change and says how it went; False when nothing was changed and the form stays."""
    try:
        changed = change()
    except LimiterUnavailableError:
        form.add_error(None, "Nothing was changed, because Redis does not answer. Try again when it is back.")
        return False
    except services.NotYetInForceError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"{changed.name} is saved and in force.")
    return True
