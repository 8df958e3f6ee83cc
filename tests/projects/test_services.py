"""Projects, requirements, people and their roles, each with its entry in the audit log."""

from dataclasses import replace

import pytest

from readiness.accounts.models import AuditEntry
from readiness.projects.models import Category, Membership, Project, Role
from readiness.projects.services import (
    AlreadyMemberError,
    LastAdminError,
    ProjectDetails,
    add_member,
    change_role,
    create_project,
    remove_member,
    update_project,
)

pytestmark = pytest.mark.django_db

DETAILS = ProjectDetails(name="Front desk", category=Category.TEXT, use_case="Chatbot", latency_p95_ms=4000)


def membership_of(user, project):
    return Membership.objects.get(user=user, project=project)


def test_create_project_makes_the_actor_its_admin(charlie):
    project = create_project(actor=charlie, details=DETAILS)
    assert membership_of(charlie, project).role == Role.ADMIN


def test_create_project_keeps_all_details(charlie):
    project = create_project(actor=charlie, details=DETAILS)
    stored = Project.objects.get(pk=project.pk)
    assert (stored.name, stored.category, stored.use_case, stored.latency_p95_ms) == (
        "Front desk",
        "text",
        "Chatbot",
        4000,
    )


def test_create_project_is_audited_under_the_project(charlie):
    project = create_project(actor=charlie, details=DETAILS)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.project_slug) == (charlie, "project created", project.slug)


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Front desk", "front-desk"), ("日本語", "project"), ("x" * 100, "x" * 50), ("--- a ---", "a")],
)
def test_create_project_names_its_address_after_the_project(charlie, name, slug):
    assert create_project(actor=charlie, details=replace(DETAILS, name=name)).slug == slug


def test_create_project_of_a_name_that_is_taken_gets_the_next_address(charlie):
    slugs = [create_project(actor=charlie, details=DETAILS).slug for _ in range(3)]
    assert slugs == ["front-desk", "front-desk-2", "front-desk-3"]


def test_update_project_records_what_differs_as_people_read_it(alice, project):
    details = ProjectDetails(
        name=project.name,
        category=Category.IMAGE,
        use_case=project.use_case,
        cost_per_request_nanos=2_500_000,
    )
    update_project(actor=alice, project=project, details=details)
    assert AuditEntry.objects.get().changes == {
        "category": ["Text generation", "Image generation"],
        "cost limit per request": [None, "$0.0025"],
    }


def test_update_project_that_changes_nothing_writes_nothing(alice, project):
    details = ProjectDetails(name=project.name, category=Category.TEXT, use_case=project.use_case)
    update_project(actor=alice, project=project, details=details)
    assert not AuditEntry.objects.exists()


def test_update_project_keeps_the_address_when_the_name_changes(alice, project):
    update_project(actor=alice, project=project, details=DETAILS)
    project.refresh_from_db()
    assert (project.name, project.slug) == ("Front desk", "handbook")


def test_add_member_is_audited(alice, project, charlie):
    add_member(actor=alice, project=project, user=charlie, role=Role.REVIEWER)
    assert membership_of(charlie, project).role == Role.REVIEWER
    entry = AuditEntry.objects.get()
    assert (entry.object_label, entry.changes) == ("charlie", {"role": [None, "reviewer"]})


def test_add_member_twice_is_refused_and_keeps_the_role(alice, project, bob):
    with pytest.raises(AlreadyMemberError, match="bob is a member already, as member"):
        add_member(actor=alice, project=project, user=bob, role=Role.ADMIN)
    assert membership_of(bob, project).role == Role.MEMBER
    assert not AuditEntry.objects.exists()


def test_change_role_is_audited(alice, project, bob):
    change_role(actor=alice, membership=membership_of(bob, project), role=Role.VIEWER)
    assert membership_of(bob, project).role == Role.VIEWER
    assert AuditEntry.objects.get().changes == {"role": ["member", "viewer"]}


def test_change_role_to_the_same_one_writes_nothing(alice, project, bob):
    change_role(actor=alice, membership=membership_of(bob, project), role=Role.MEMBER)
    assert not AuditEntry.objects.exists()


def test_last_admin_cannot_be_demoted(alice, project, bob):
    with pytest.raises(LastAdminError):
        change_role(actor=alice, membership=membership_of(alice, project), role=Role.MEMBER)
    assert membership_of(alice, project).role == Role.ADMIN
    assert not AuditEntry.objects.exists()


def test_last_admin_cannot_be_removed(alice, project, bob):
    with pytest.raises(LastAdminError):
        remove_member(actor=alice, membership=membership_of(alice, project))
    assert membership_of(alice, project)


def test_admin_beside_another_can_be_removed(alice, project, bob):
    change_role(actor=alice, membership=membership_of(bob, project), role=Role.ADMIN)
    remove_member(actor=bob, membership=membership_of(alice, project))
    assert not Membership.objects.filter(user=alice).exists()


def test_admin_who_cannot_sign_in_does_not_count_as_the_other_one(alice, project, bob):
    change_role(actor=alice, membership=membership_of(bob, project), role=Role.ADMIN)
    bob.is_active = False
    bob.save()
    with pytest.raises(LastAdminError):
        remove_member(actor=alice, membership=membership_of(alice, project))


def test_stale_view_of_a_role_does_not_get_round_the_rule(alice, project, bob):
    """Two admins who opened the page together and demote each other: the second is refused."""
    change_role(actor=alice, membership=membership_of(bob, project), role=Role.ADMIN)
    of_alice, of_bob = membership_of(alice, project), membership_of(bob, project)
    change_role(actor=alice, membership=of_bob, role=Role.VIEWER)
    with pytest.raises(LastAdminError):
        change_role(actor=bob, membership=of_alice, role=Role.VIEWER)


def test_remove_member_leaves_the_account_and_is_audited(alice, project, bob):
    remove_member(actor=alice, membership=membership_of(bob, project))
    bob.refresh_from_db()
    assert bob.is_active
    assert AuditEntry.objects.get().changes == {"role": ["member", None]}
