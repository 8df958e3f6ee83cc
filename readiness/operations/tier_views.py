"""The pages of tiers and of their overrides. Tiers belong to the site, so only site admins change them."""

from functools import partial

from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from readiness.accounts.queries import audit_entries
from readiness.lib.web import asked_text, see_other
from readiness.limits import services
from readiness.operations.changes import put_into_force
from readiness.operations.forms import NewOverrideForm, NewTierForm, OverrideForm, TierForm
from readiness.operations.preview_views import begin_preview, previewed, wants_preview
from readiness.projects.access import require_site_admin
from readiness.projects.models import Tier, TierOverride
from readiness.projects.queries import overrides_of

LAST_CHANGES = 10
OVERRIDES_PAGE = 50

edits = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def tiers(request: HttpRequest) -> HttpResponse:
    """The site's tiers and what was last changed about them."""
    require_site_admin(request)
    context = {
        "section": "tiers",
        "tiers": Tier.objects.annotate(override_count=Count("overrides")).order_by("-weight", "slug"),
        "changes": audit_entries().filter(object_type__in=("tier", "override"))[:LAST_CHANGES],
    }
    return render(request, "operations/tiers.html", context)


@edits
def tier(request: HttpRequest, tier_slug: str) -> HttpResponse:
    """Changes a tier; in force in every process with its next call to the limiter. Lists its overrides."""
    user = require_site_admin(request)
    found = get_object_or_404(Tier, slug=tier_slug)
    form = TierForm(request.POST or None, row=found)
    form.initial.update(previewed(request, found))
    if request.method == "POST" and form.is_valid():
        if wants_preview(request):
            return begin_preview(request, found, form.values())
        change = partial(services.update_tier, actor=user, tier=found, values=form.values())
        if put_into_force(request, change, f"{form.values()['name']} is saved and in force.", form):
            return see_other(request, reverse("operations:tiers"))
    search = asked_text(request, "q")
    page = Paginator(overrides_of(found, search), OVERRIDES_PAGE).get_page(request.GET.get("page"))
    context = {"section": "tiers", "tier": found, "form": form, "page": page, "search": search}
    return render(request, "operations/tier.html", context)


@edits
def new_tier(request: HttpRequest) -> HttpResponse:
    """Adds a tier."""
    user = require_site_admin(request)
    form = NewTierForm(request.POST or None, initial={"weight": 1, "longest_wait_seconds": 60})
    if request.method == "POST" and form.is_valid():
        change = partial(
            services.create_tier, actor=user, slug=form.cleaned_data["slug"], values=form.values()
        )
        if put_into_force(request, change, f"{form.values()['name']} is saved and in force.", form):
            return see_other(request, reverse("operations:tiers"))
    return render(request, "operations/tier.html", {"section": "tiers", "form": form})


@edits
def new_override(request: HttpRequest, tier_slug: str) -> HttpResponse:
    """Sets what a project, or one of its end users, gets otherwise."""
    user = require_site_admin(request)
    found = get_object_or_404(Tier, slug=tier_slug)
    form = NewOverrideForm(request.POST or None, tier=found)
    if request.method == "POST" and form.is_valid():
        subject = {name: form.cleaned_data[name] for name in ("project", "end_user")}
        if wants_preview(request):
            return begin_preview(request, TierOverride(tier=found, **subject), form.values())
        change = partial(services.set_override, actor=user, tier=found, **subject, values=form.values())
        if put_into_force(request, change, "The override is in force.", form):
            return _to_tier(request, found)
    return render(request, "operations/override.html", {"section": "tiers", "tier": found, "form": form})


@edits
def override(request: HttpRequest, tier_slug: str, override_id: int) -> HttpResponse:
    """Changes what a project or an end user gets otherwise."""
    user = require_site_admin(request)
    found = _override_or_404(tier_slug, override_id)
    form = OverrideForm(request.POST or None, row=found)
    form.initial.update(previewed(request, found))
    if request.method == "POST" and form.is_valid():
        if wants_preview(request):
            return begin_preview(request, found, form.values())
        change = partial(
            services.set_override,
            actor=user,
            tier=found.tier,
            project=found.project,
            end_user=found.end_user,
            values=form.values(),
        )
        if put_into_force(request, change, "The override is in force.", form):
            return _to_tier(request, found.tier)
    context = {"section": "tiers", "tier": found.tier, "override": found, "form": form}
    return render(request, "operations/override.html", context)


@edits
def remove_override(request: HttpRequest, tier_slug: str, override_id: int) -> HttpResponse:
    """Asks first, then lets the subject have what everybody else has."""
    user = require_site_admin(request)
    found = _override_or_404(tier_slug, override_id)
    if request.method == "POST":
        remove = partial(services.remove_override, actor=user, override=found)
        put_into_force(request, remove, f"{found.whom} has the tier as everybody else again.")
        return _to_tier(request, found.tier)
    context = {"section": "tiers", "tier": found.tier, "override": found}
    return render(request, "operations/override_remove.html", context)


def _override_or_404(tier_slug: str, override_id: int) -> TierOverride:
    rows = TierOverride.objects.select_related("tier", "project")
    return get_object_or_404(rows, tier__slug=tier_slug, pk=override_id)


def _to_tier(request: HttpRequest, tier: Tier) -> HttpResponse:
    return see_other(request, reverse("operations:tier", args=[tier.slug]))
