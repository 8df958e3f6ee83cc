"""Pages of provider accounts and deployments.

Everybody in a project reads the list. Project admins change the project's accounts; those of the whole site
are changed by site admins only.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from readiness.lib.web import see_other, vary_on_htmx, wants_fragment
from readiness.projects.access import current_user, get_project, require_site_admin, role_in
from readiness.projects.models import Project, Role
from readiness.providers import services
from readiness.providers.forms.accounts import AccountForm
from readiness.providers.forms.deployments import DeploymentForm
from readiness.providers.forms.prices import price_formset
from readiness.providers.models import Deployment, ProviderAccount, ProviderKind
from readiness.providers.presets import preset, presets
from readiness.providers.queries import DeploymentRow, accounts_of, deployments_for_page, prices_on

edits = require_http_methods(["GET", "HEAD", "POST"])


@require_safe
def provider_list(request: HttpRequest, slug: str) -> HttpResponse:
    """Accounts and deployments that the project may call."""
    project = get_project(request, slug)
    user = current_user(request)
    is_admin = role_in(user, project) == Role.ADMIN
    accounts = deployments_for_page(
        project, datetime.now(UTC).date(), is_admin=is_admin, is_site_admin=user.is_site_admin
    )
    return render(
        request, "providers/list.html", _context(project) | {"accounts": accounts, "may_add": is_admin}
    )


@edits
def new_account(request: HttpRequest, slug: str) -> HttpResponse:
    """A new account; ``?preset=`` fills in a well-known service."""
    project = get_project(request, slug, Role.ADMIN)
    user = current_user(request)
    chosen = preset(request.GET.get("preset", ""))
    initial = {"name": chosen.name, "kind": chosen.kind, "base_url": chosen.base_url} if chosen else {}
    form = AccountForm(
        request.POST or None, initial=initial, project=project, may_change_site=user.is_site_admin
    )
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        account = services.create_account(
            actor=user,
            project=None if data.get("site_wide") else project,
            name=data["name"],
            kind=data["kind"],
            base_url=data["base_url"],
            api_key=data["api_key"],
            **form.limits(),
        )
        messages.success(request, f"{account.name} is stored. Add the models you want to call.")
        return see_other(request, reverse("providers:new_deployment", args=[slug, account.pk]))
    context = _context(project) | {"form": form, "presets": presets(), "chosen": chosen}
    return render(request, "providers/new_account.html", context)


@edits
def edit_account(request: HttpRequest, slug: str, account_id: int) -> HttpResponse:
    """Name, address and key of an account."""
    project, account = _account_to_change(request, slug, account_id)
    form = AccountForm(request.POST or None, instance=account, project=project)
    if request.method == "POST" and form.is_valid():
        services.update_account(
            actor=current_user(request),
            account=account,
            name=form.cleaned_data["name"],
            base_url=form.cleaned_data.get("base_url", ""),
            api_key=form.key_change(),
            **form.limits(),
        )
        messages.success(request, f"{account.name} is saved.")
        return see_other(request, reverse("providers:list", args=[slug]))
    stored = ProviderAccount.objects.get(pk=account.pk)
    return render(request, "providers/account.html", _context(project) | {"form": form, "account": stored})


@require_POST
def test_account(request: HttpRequest, slug: str, account_id: int) -> HttpResponse:
    """Tries address and key, and says in plain words what is wrong."""
    project, account = _account_to_change(request, slug, account_id)
    report = services.test_connection(actor=current_user(request), account=account)
    if wants_fragment(request):
        context = _context(project) | {"account": account, "report": report}
        return vary_on_htmx(render(request, "providers/_test_result.html", context))
    tell = messages.success if report.ok else messages.error
    tell(request, f"{account.name}: {report.message}")
    return see_other(request, reverse("providers:list", args=[slug]))


@edits
def remove_account(request: HttpRequest, slug: str, account_id: int) -> HttpResponse:
    """Asks, then deletes an account that nothing refers to."""
    project, account = _account_to_change(request, slug, account_id)
    if request.method == "POST":
        return _deleted(request, project, account.name, partial(services.delete_account, account=account))
    text = f"This deletes {account.name}, its key and its deployments, unless benchmarks or records need one."
    context = {"what": account, "text": text}
    return render(request, "providers/delete.html", _context(project) | context)


@edits
def new_deployment(request: HttpRequest, slug: str, account_id: int) -> HttpResponse:
    """A new model of an account, with quota and prices."""
    project, account = _account_to_change(request, slug, account_id)
    form = DeploymentForm(request.POST or None, account=account)
    prices = price_formset(request.POST or None)
    if request.method == "POST" and form.is_valid() and prices.is_valid():
        deployment = services.create_deployment(
            actor=current_user(request), account=account, prices=prices.prices(), **form.values()
        )
        messages.success(request, f"{deployment.name} is stored.")
        return see_other(request, reverse("providers:list", args=[slug]))
    context = {"form": form, "prices": prices, "account": account}
    return render(request, "providers/new_deployment.html", _context(project) | context)


@edits
def edit_deployment(request: HttpRequest, slug: str, deployment_id: int) -> HttpResponse:
    """Quota, parameters and prices of a deployment."""
    project, deployment = _deployment_to_change(request, slug, deployment_id)
    form = DeploymentForm(request.POST or None, instance=deployment, account=deployment.account)
    prices = price_formset(request.POST or None, deployment)
    if request.method == "POST" and form.is_valid() and prices.is_valid():
        services.update_deployment(
            actor=current_user(request),
            deployment=deployment,
            prices=prices.prices(),
            **form.values(),
        )
        messages.success(request, f"{deployment.name} is saved.")
        return see_other(request, reverse("providers:list", args=[slug]))
    stored = Deployment.objects.select_related("account").get(pk=deployment.pk)
    context = {
        "form": form,
        "prices": prices,
        "account": stored.account,
        "deployment": stored,
        "row": DeploymentRow(stored, prices_on(stored, datetime.now(UTC).date())),
    }
    return render(request, "providers/deployment.html", _context(project) | context)


@edits
def remove_deployment(request: HttpRequest, slug: str, deployment_id: int) -> HttpResponse:
    """Asks, then deletes a deployment that nothing refers to."""
    project, deployment = _deployment_to_change(request, slug, deployment_id)
    if request.method == "POST":
        return _deleted(
            request, project, deployment.name, partial(services.delete_deployment, deployment=deployment)
        )
    text = f"This deletes {deployment.name} with its price overrides, unless benchmarks or records need it."
    context = {"what": deployment, "text": text}
    return render(request, "providers/delete.html", _context(project) | context)


def _deleted(request: HttpRequest, project: Project, name: str, delete: Callable[..., None]) -> HttpResponse:
    try:
        delete(actor=current_user(request))
    except services.InUseError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{name} is deleted.")
    return see_other(request, reverse("providers:list", args=[project.slug]))


def _context(project: Project) -> dict[str, object]:
    return {"project": project, "section": "settings", "recorded": ProviderKind.RECORDED}


def _account_to_change(request: HttpRequest, slug: str, account_id: int) -> tuple[Project, ProviderAccount]:
    """Project and account, if the user may change the account. Raises Http404 or PermissionDenied."""
    project = get_project(request, slug, Role.ADMIN)
    account = accounts_of(project).filter(pk=account_id).first()
    if account is None:
        raise Http404("No such account.")
    if account.project_id is None:
        require_site_admin(request)
    return project, account


def _deployment_to_change(request: HttpRequest, slug: str, deployment_id: int) -> tuple[Project, Deployment]:
    """Project and deployment, if the user may change its account. Raises Http404 or PermissionDenied."""
    get_project(request, slug, Role.ADMIN)
    deployment = Deployment.objects.select_related("account").filter(pk=deployment_id).first()
    if deployment is None:
        raise Http404("No such deployment.")
    project, _ = _account_to_change(request, slug, deployment.account_id)
    return project, deployment
