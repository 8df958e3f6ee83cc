"""Pages of projects: what each of the cast sees, may do, and is refused."""

import pytest
from django.urls import reverse

from readiness.accounts.models import AuditEntry
from readiness.accounts.services import record_audit
from readiness.projects.models import Membership, Project, Role
from readiness.projects.presets import PRESETS

pytestmark = pytest.mark.django_db

FIELDS = {"name": "Handbook assistant", "category": "text", "use_case": "Answer customers"}


def url(name, project, *args):
    return reverse(f"projects:{name}", args=[project.slug, *args])


def membership_of(user):
    return Membership.objects.get(user=user)


class TestList:
    def test_shows_only_ones_own_projects(self, as_user, bob, project):
        Project.objects.create(name="Somebody else's", slug="else")
        page = as_user(bob).get(reverse("projects:list")).context["page"]
        assert [(row.name, row.own_role, row.people) for row in page] == [("Handbook assistant", "member", 1)]

    def test_counts_everybody_in_the_project(self, as_user, alice, bob, rita):
        page = as_user(alice).get(reverse("projects:list")).context["page"]
        assert [row.people for row in page] == [3]

    def test_shows_all_projects_to_a_site_admin(self, as_user, site_admin, project):
        page = as_user(site_admin).get(reverse("projects:list")).context["page"]
        assert [(row.name, row.own_role) for row in page] == [("Handbook assistant", None)]

    def test_says_to_a_newcomer_what_to_do(self, as_user, charlie):
        page = as_user(charlie).get(reverse("projects:list")).content.decode()
        assert "Create your first project" in page

    def test_escapes_names(self, as_user, alice, project):
        Project.objects.update(name="<script>alert(1)</script>")
        assert "<script>alert" not in as_user(alice).get(reverse("projects:list")).content.decode()

    def test_asks_the_database_as_often_for_ten_projects_as_for_one(
        self, as_user, alice, project, django_assert_num_queries, django_assert_max_num_queries
    ):
        client = as_user(alice)
        with django_assert_max_num_queries(20) as few:
            client.get(reverse("projects:list"))
        for number in range(9):
            extra = Project.objects.create(name=f"Project {number}", slug=f"project-{number}")
            Membership.objects.create(project=extra, user=alice, role=Role.MEMBER)
        with django_assert_num_queries(len(few)):
            client.get(reverse("projects:list"))


class TestNew:
    def test_offers_every_category_with_its_use_cases(self, as_user, charlie):
        page = as_user(charlie).get(reverse("projects:new")).content.decode()
        for preset in PRESETS:
            assert preset.category.label in page
            assert all(use_case in page for use_case in preset.use_cases)

    def test_form_starts_from_the_chosen_use_case(self, as_user, charlie):
        query = {"category": "music", "use_case": "Ringtones"}
        form = as_user(charlie).get(reverse("projects:new"), query).context["form"]
        assert (form["category"].value(), form["use_case"].value()) == ("music", "Ringtones")
        assert "Sound effects" in form.suggested_use_cases

    def test_unknown_category_in_the_address_leads_to_the_choice(self, as_user, charlie):
        response = as_user(charlie).get(reverse("projects:new"), {"category": "smell"})
        assert "presets" in response.context

    def test_creates_a_project_with_its_requirements(self, as_user, charlie):
        data = {"name": "Front desk", "category": "custom", "cost_per_request_usd": "0.0025", "region": "EU"}
        response = as_user(charlie).post(reverse("projects:new"), data)
        project = Project.objects.get(slug="front-desk")
        assert (project.cost_per_request_nanos, project.region) == (2_500_000, "EU")
        assert response.headers["Location"] == reverse("checklist:overview", args=["front-desk"])

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("name", ""),
            ("name", "x" * 101),
            ("category", "smell"),
            ("latency_p95_ms", "0"),
            ("latency_p95_ms", "-1"),
            ("latency_p95_ms", "soon"),
            ("ttft_p95_ms", "99999999999999999999"),
            ("cost_per_request_usd", "0"),
            ("cost_per_request_usd", "-0.1"),
            ("cost_per_request_usd", "NaN"),
            ("cost_per_request_usd", "1e30"),
            ("cost_per_request_usd", "0.0000000001"),
        ],
    )
    def test_refuses_what_makes_no_sense_and_keeps_the_rest(self, as_user, charlie, field, value):
        response = as_user(charlie).post(reverse("projects:new"), FIELDS | {field: value})
        form = response.context["form"]
        assert list(form.errors) == [field]
        assert form["use_case"].value() == "Answer customers"
        assert not Project.objects.exists()


class TestSettings:
    def test_admin_changes_them(self, as_user, alice, project):
        response = as_user(alice).post(url("settings", project), FIELDS | {"latency_p95_ms": "3000"})
        project.refresh_from_db()
        assert project.latency_p95_ms == 3000
        assert response.headers["Location"] == url("settings", project)
        assert AuditEntry.objects.get().changes == {"latency limit, p95 (ms)": [None, 3000]}

    def test_admin_finds_the_form_filled_in(self, as_user, alice, project):
        Project.objects.update(cost_per_request_nanos=2_500_000)
        form = as_user(alice).get(url("settings", project)).context["form"]
        assert form["cost_per_request_usd"].value() == "0.0025"

    def test_emptied_field_lifts_the_limit(self, as_user, alice, project):
        Project.objects.update(latency_p95_ms=3000)
        as_user(alice).post(url("settings", project), FIELDS | {"latency_p95_ms": ""})
        project.refresh_from_db()
        assert project.latency_p95_ms is None

    @pytest.mark.parametrize("who", ["bob", "rita", "auditor"])
    def test_others_read_them_without_a_form(self, request, as_user, project, who):
        page = as_user(request.getfixturevalue(who)).get(url("settings", project)).content.decode()
        assert "An admin of the project can change them." in page
        assert "Save settings" not in page


class TestMembers:
    def test_admin_adds_a_person(self, as_user, alice, project, charlie):
        as_user(alice).post(url("members", project), {"username": "Charlie", "role": "reviewer"})
        assert membership_of(charlie).role == Role.REVIEWER

    def test_unknown_person_is_refused_in_plain_words(self, as_user, alice, project):
        response = as_user(alice).post(url("members", project), {"username": "zoe", "role": "viewer"})
        assert response.context["form"].errors["username"] == [
            "Nobody here is called “zoe”. A site admin can add people."
        ]

    def test_unknown_role_is_refused_in_plain_words(self, as_user, alice, project, charlie):
        response = as_user(alice).post(url("members", project), {"username": "charlie", "role": "owner"})
        assert response.context["form"].errors["role"] == [
            "There is no role “owner”. The roles are viewer, member, reviewer and admin."
        ]
        assert not Membership.objects.filter(user=charlie).exists()

    def test_person_who_is_in_already_is_refused(self, as_user, alice, bob, project):
        response = as_user(alice).post(url("members", project), {"username": "bob", "role": "admin"})
        assert response.context["form"].errors["username"] == ["bob is a member already, as member."]

    def test_deactivated_person_is_refused(self, as_user, alice, project, charlie):
        charlie.is_active = False
        charlie.save()
        response = as_user(alice).post(url("members", project), {"username": "charlie", "role": "viewer"})
        assert "username" in response.context["form"].errors

    def test_admin_changes_a_role(self, as_user, alice, bob, project):
        as_user(alice).post(url("member_role", project, membership_of(bob).pk), {"role": "viewer"})
        assert membership_of(bob).role == Role.VIEWER

    def test_changing_to_an_unknown_role_changes_nothing_and_says_so(self, as_user, alice, bob, project):
        address = url("member_role", project, membership_of(bob).pk)
        page = as_user(alice).post(address, {"role": "<owner>"}, follow=True).content.decode()
        assert "There is no role “&lt;owner&gt;”." in page
        assert membership_of(bob).role == Role.MEMBER

    def test_last_admin_cannot_demote_themselves(self, as_user, alice, project):
        address = url("member_role", project, membership_of(alice).pk)
        page = as_user(alice).post(address, {"role": "viewer"}, follow=True).content.decode()
        assert "A project needs an admin" in page
        assert membership_of(alice).role == Role.ADMIN

    def test_removal_asks_first(self, as_user, alice, bob, project):
        page = as_user(alice).get(url("remove_member", project, membership_of(bob).pk))
        assert "Remove bob from Handbook assistant?" in page.content.decode()
        assert membership_of(bob)

    def test_admin_removes_a_person(self, as_user, alice, bob, project):
        as_user(alice).post(url("remove_member", project, membership_of(bob).pk))
        assert not Membership.objects.filter(user=bob).exists()

    def test_last_admin_cannot_remove_themselves(self, as_user, alice, project):
        address = url("remove_member", project, membership_of(alice).pk)
        page = as_user(alice).post(address, follow=True).content.decode()
        assert "A project needs an admin" in page
        assert membership_of(alice)

    def test_admin_who_leaves_is_led_to_all_projects(self, as_user, alice, bob, project):
        Membership.objects.filter(user=bob).update(role=Role.ADMIN)
        response = as_user(alice).post(url("remove_member", project, membership_of(alice).pk))
        assert response.headers["Location"] == reverse("projects:list")

    def test_membership_of_another_project_is_out_of_reach(self, as_user, alice, project, charlie):
        other = Project.objects.create(name="Other", slug="other")
        foreign = Membership.objects.create(project=other, user=charlie, role=Role.ADMIN)
        for name in ("member_role", "remove_member"):
            assert as_user(alice).post(url(name, project, foreign.pk), {"role": "viewer"}).status_code == 404
        foreign.refresh_from_db()
        assert foreign.role == Role.ADMIN

    def test_site_admin_adds_people_without_being_a_member(self, as_user, site_admin, project, charlie):
        as_user(site_admin).post(url("members", project), {"username": "charlie", "role": "admin"})
        assert membership_of(charlie).role == Role.ADMIN

    def test_viewer_sees_people_but_no_controls(self, as_user, auditor, bob, project):
        page = as_user(auditor).get(url("members", project)).content.decode()
        assert "bob" in page
        assert "Add to project" not in page
        assert "Remove" not in page


class TestAudit:
    def test_admin_sees_the_project_s_own_changes_only(self, as_user, alice, project):
        for slug in ("handbook", "other", ""):
            record_audit(
                actor=alice,
                action=f"changed in {slug or 'the site'}",
                object_type="x",
                object_id=1,
                object_label="x",
                project_slug=slug,
            )
        page = as_user(alice).get(url("audit", project)).context["page"]
        assert [entry.action for entry in page] == ["changed in handbook"]

    @pytest.mark.parametrize("who", ["bob", "rita", "auditor"])
    def test_is_refused_to_a_lower_role(self, request, as_user, project, who):
        assert as_user(request.getfixturevalue(who)).get(url("audit", project)).status_code == 403


@pytest.mark.parametrize("who", ["bob", "rita", "auditor"])
@pytest.mark.parametrize("name", ["settings", "members", "member_role", "remove_member"])
def test_changes_are_refused_to_a_lower_role(request, as_user, alice, project, who, name):
    args = [membership_of(alice).pk] if name in {"member_role", "remove_member"} else []
    data = FIELDS | {"name": "Taken over", "username": who, "role": "viewer"}
    response = as_user(request.getfixturevalue(who)).post(url(name, project, *args), data)
    assert response.status_code == 403
    assert f"This needs the role admin; yours is {membership_of(request.getfixturevalue(who)).role}." in (
        response.content.decode()
    )
    project.refresh_from_db()
    assert project.name == "Handbook assistant"
    assert membership_of(alice).role == Role.ADMIN
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", ["settings", "members", "member_role", "remove_member", "audit"])
def test_project_does_not_exist_for_a_stranger(as_user, alice, charlie, project, name, method):
    args = [membership_of(alice).pk] if name in {"member_role", "remove_member"} else []
    response = getattr(as_user(charlie), method)(url(name, project, *args), {"role": "viewer"})
    wrong_method = {("get", "member_role"), ("post", "audit")}
    assert response.status_code == (405 if (method, name) in wrong_method else 404)
    assert membership_of(alice).role == Role.ADMIN


def test_refused_member_keeps_the_project_s_navigation(as_user, auditor, project):
    page = as_user(auditor).get(url("audit", project)).content.decode()
    assert f'href="{url("settings", project)}"' in page
