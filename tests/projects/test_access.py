"""Who may open a project, by role."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import Http404

from readiness.projects.access import get_project, require_site_admin, role_in
from readiness.projects.models import Role

pytestmark = pytest.mark.django_db

CAST = {"alice": Role.ADMIN, "bob": Role.MEMBER, "rita": Role.REVIEWER, "auditor": Role.VIEWER}


@pytest.fixture
def ask(rf, project):
    """``ask(user)``: a request of that person's."""

    def build(user):
        request = rf.get("/")
        request.user = user
        return request

    return build


@pytest.mark.parametrize(("who", "role"), CAST.items())
def test_role_in_is_the_membership_s(request, project, who, role):
    assert role_in(request.getfixturevalue(who), project) == role


def test_role_in_of_a_stranger_is_none(project, charlie):
    assert role_in(charlie, project) is None


def test_role_in_of_a_site_admin_is_admin_everywhere(project, site_admin):
    assert role_in(site_admin, project) == Role.ADMIN


@pytest.mark.parametrize("needed", list(Role))
@pytest.mark.parametrize(("who", "role"), CAST.items())
def test_get_project_asks_for_at_least_the_needed_role(request, ask, project, who, role, needed):
    asked = ask(request.getfixturevalue(who))
    if list(Role).index(role) >= list(Role).index(needed):
        assert get_project(asked, project.slug, needed) == project
        assert (asked.project, asked.role) == (project, role)
    else:
        with pytest.raises(PermissionDenied):
            get_project(asked, project.slug, needed)


def test_get_project_does_not_exist_for_a_stranger(ask, project, charlie):
    with pytest.raises(Http404):
        get_project(ask(charlie), project.slug)


def test_get_project_of_an_unknown_address_is_not_found(ask, alice):
    with pytest.raises(Http404):
        get_project(ask(alice), "nowhere")


def test_get_project_is_refused_to_the_signed_out(ask, project):
    with pytest.raises(PermissionDenied):
        get_project(ask(AnonymousUser()), project.slug)


def test_require_site_admin_is_refused_to_a_project_admin(ask, alice):
    with pytest.raises(PermissionDenied):
        require_site_admin(ask(alice))


def test_require_site_admin_is_refused_to_a_deactivated_one(ask, site_admin):
    site_admin.is_active = False
    with pytest.raises(PermissionDenied):
        require_site_admin(ask(site_admin))
