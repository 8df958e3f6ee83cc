"""What an admin may type about an allowance."""

import pytest

from readiness.operations.allowance_forms import AllowanceForm, NewAllowanceForm, NewSiteAllowanceForm
from readiness.projects.models import Allowance, AllowanceKind, Project

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("kind", "subject"), [("all", ""), ("end_user", ""), ("end_user", "ada")])
def test_project_form_is_for_the_project_and_its_end_users(project: Project, kind: str, subject: str) -> None:
    form = NewAllowanceForm({"kind": kind, "subject": subject, "usd_per_day": "5"}, project=project)

    assert form.is_valid()
    assert form.subject_of() == {"project": project, "kind": AllowanceKind(kind), "subject": subject}


def test_project_form_has_no_api_keys(project: Project) -> None:
    form = NewAllowanceForm({"kind": "api_key", "subject": "k1", "usd_per_day": "5"}, project=project)

    assert "kind" in form.errors


def test_project_form_ignores_another_project(project: Project) -> None:
    other = Project.objects.create(name="Other", slug="other")
    form = NewAllowanceForm({"kind": "all", "project": other.pk, "usd_per_day": "5"}, project=project)

    assert form.is_valid()
    assert form.subject_of()["project"] == project


@pytest.mark.parametrize(("kind", "subject"), [("all", ""), ("api_key", "k1")])
def test_site_form_needs_no_project_for_the_site_and_for_keys(kind: str, subject: str) -> None:
    form = NewSiteAllowanceForm({"kind": kind, "subject": subject, "requests_per_minute": "5"})

    assert form.is_valid()
    assert form.subject_of() == {"project": None, "kind": AllowanceKind(kind), "subject": subject}


@pytest.mark.parametrize(
    ("kind", "subject", "field"),
    [("all", "ada", "subject"), ("api_key", "", "subject"), ("end_user", "ada", "project")],
)
def test_subject_that_does_not_fit_is_marked(kind: str, subject: str, field: str) -> None:
    form = NewSiteAllowanceForm({"kind": kind, "subject": subject, "requests_per_minute": "5"})

    assert list(form.errors) == [field]


@pytest.mark.parametrize(
    ("kind", "subject", "stored_for_project"),
    [("all", "", False), ("all", "", True), ("end_user", "", True), ("end_user", "ada", True)],
)
def test_second_allowance_of_a_subject_is_refused(
    project: Project, kind: str, subject: str, stored_for_project: bool
) -> None:
    owner = project if stored_for_project else None
    Allowance.objects.create(project=owner, kind=kind, subject=subject, requests_per_minute=1)
    data = {"kind": kind, "subject": subject, "usd_per_day": "5", "project": owner.pk if owner else ""}

    assert "change that one" in NewSiteAllowanceForm(data).non_field_errors()[0]


def test_key_has_one_allowance_whichever_project_it_is_for(project: Project) -> None:
    Allowance.objects.create(kind=AllowanceKind.API_KEY, subject="k1", requests_per_minute=1)
    data = {"kind": "api_key", "subject": "k1", "usd_per_day": "5", "project": project.pk}

    assert "change that one" in NewSiteAllowanceForm(data).non_field_errors()[0]


def test_allowance_without_any_limit_is_refused() -> None:
    assert "Set at least one value" in AllowanceForm({}).non_field_errors()[0]


@pytest.mark.parametrize("form_class", [AllowanceForm, NewAllowanceForm, NewSiteAllowanceForm])
def test_groups_show_every_field_once(form_class: type[AllowanceForm]) -> None:
    form = form_class()
    shown = [field.name for group in form.groups() for field in group.fields]

    assert sorted(shown) == sorted(form.fields)
