"""Sign-in, one's own password, people and the audit log."""

import re

import pytest
from django.contrib.messages import get_messages
from django.urls import reverse

from readiness.accounts.models import AuditEntry, User
from readiness.accounts.services import record_audit

PASSWORD = "an orange piano 7"

pytestmark = pytest.mark.django_db


@pytest.fixture
def dora():
    """A person with a password, member of nothing."""
    return User.objects.create_user("dora", "dora@example.com", PASSWORD)


def sign_in(client, username="dora", password=PASSWORD, **extra):
    data = {"username": username, "password": password} | extra
    return client.post(reverse("accounts:login"), data)


def test_sign_in_leads_to_the_projects(client, dora):
    assert sign_in(client).headers["Location"] == reverse("projects:list")


def test_sign_in_leads_back_to_where_the_person_was_going(client, dora):
    assert sign_in(client, next="/p/handbook/traffic/").headers["Location"] == "/p/handbook/traffic/"


def test_sign_in_does_not_lead_to_another_site(client, dora):
    assert sign_in(client, next="https://evil.example/").headers["Location"] == reverse("projects:list")


def test_sign_in_with_a_wrong_password_says_so_once_for_the_form(client, dora):
    response = sign_in(client, password="wrong")
    assert response.context["form"].non_field_errors() == [
        "Wrong username or password. Capital letters matter in both."
    ]


def test_sign_in_tells_nobody_whether_a_username_exists(client, dora):
    wrong_password = sign_in(client, password="wrong").context["form"].non_field_errors()
    assert sign_in(client, username="nobody").context["form"].non_field_errors() == wrong_password


def test_sign_in_of_a_deactivated_person_is_refused(client, dora):
    dora.is_active = False
    dora.save()
    assert sign_in(client).status_code == 200


def test_signed_out_person_is_led_to_the_sign_in_page(client):
    response = client.get(reverse("projects:list"))
    assert response.headers["Location"] == f"{reverse('accounts:login')}?next=/"


@pytest.mark.parametrize(
    ("came_from", "leads_to"),
    [
        ("http://testserver/p/handbook/limits/?a=1", "/p/handbook/limits/%3Fa%3D1"),
        ("http://other/x", "/"),
        ("", "/"),
    ],
)
def test_button_of_an_ended_session_leads_back_to_its_page(client, came_from, leads_to):
    button = reverse("operations:start_drill", args=["handbook", "storm"])
    response = client.post(button, headers={"Referer": came_from})
    assert response.headers["Location"] == f"{reverse('accounts:login')}?next={leads_to}"


def test_fragment_of_an_ended_session_leads_the_whole_page_to_the_sign_in_page(client):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/p/handbook/"}
    response = client.get(reverse("accounts:login"), headers=headers)
    assert response.headers["HX-Redirect"] == "/accounts/login/?next=%2Fp%2Fhandbook%2F"


def test_sign_out_ends_the_session(client, dora):
    sign_in(client)
    client.post(reverse("accounts:logout"))
    assert client.get(reverse("projects:list")).status_code == 302


def test_password_change_keeps_this_browser_signed_in(client, dora):
    sign_in(client)
    new = "a purple violin 8"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    response = client.post(reverse("accounts:password"), data, follow=True)
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "Your password was changed. Other browsers were signed out."
    ]
    dora.refresh_from_db()
    assert dora.check_password(new)


def test_password_change_with_a_wrong_old_one_changes_nothing(client, dora):
    sign_in(client)
    new = "a purple violin 8"
    data = {"old_password": "wrong", "new_password1": new, "new_password2": new}
    response = client.post(reverse("accounts:password"), data)
    assert "old_password" in response.context["form"].errors
    dora.refresh_from_db()
    assert dora.check_password(PASSWORD)


def test_error_of_a_field_is_tied_to_it_for_screen_readers(client, dora):
    sign_in(client)
    page = client.post(reverse("accounts:password"), {}).content.decode()
    field = re.search(r"<input[^>]*name=\"old_password\"[^>]*>", page)
    assert field
    assert 'aria-describedby="id_old_password_error"' in field[0]
    assert 'id="id_old_password_error"' in page


class TestPeople:
    """The site admin's page of accounts."""

    def test_add_shows_the_temporary_password_once(self, as_user, site_admin):
        page = as_user(site_admin).post(reverse("accounts:people"), {"username": "dora"})
        person = User.objects.get(username="dora")
        assert person.check_password(page.context["password"])
        assert page.context["password"] in page.content.decode()
        assert "no-store" in page.headers["Cache-Control"]

    def test_add_is_audited_without_the_password(self, as_user, site_admin):
        page = as_user(site_admin).post(reverse("accounts:people"), {"username": "dora"})
        entry = AuditEntry.objects.get()
        assert (entry.actor, entry.action, entry.object_label) == (site_admin, "person added", "dora")
        assert page.context["password"] not in str(entry.changes)

    def test_add_of_a_name_that_is_taken_is_refused(self, as_user, site_admin, charlie):
        page = as_user(site_admin).post(reverse("accounts:people"), {"username": "charlie"})
        assert "username" in page.context["form"].errors
        assert not AuditEntry.objects.exists()

    def test_temporary_password_leads_to_choosing_ones_own(self, client, as_user, site_admin):
        password = (
            as_user(site_admin).post(reverse("accounts:people"), {"username": "dora"}).context["password"]
        )
        client.logout()
        sign_in(client, password=password)
        assert client.get(reverse("projects:list")).headers["Location"] == reverse("accounts:password")
        new = "a purple violin 8"
        data = {"old_password": password, "new_password1": new, "new_password2": new}
        client.post(reverse("accounts:password"), data)
        assert client.get(reverse("projects:list")).status_code == 200

    def test_temporary_password_leaves_signing_out_open(self, client, dora):
        User.objects.filter(pk=dora.pk).update(password_is_temporary=True)
        sign_in(client)
        assert client.post(reverse("accounts:logout")).headers["Location"] == reverse("accounts:login")

    def test_new_password_is_asked_for_before_it_is_issued(self, as_user, site_admin, dora):
        as_user(site_admin).get(reverse("accounts:new_password", args=[dora.pk]))
        dora.refresh_from_db()
        assert dora.check_password(PASSWORD)

    def test_new_password_replaces_the_old_one(self, as_user, site_admin, dora):
        page = as_user(site_admin).post(reverse("accounts:new_password", args=[dora.pk]))
        dora.refresh_from_db()
        assert dora.check_password(page.context["password"])
        assert dora.password_is_temporary
        assert AuditEntry.objects.get().action == "password issued"

    def test_deactivated_person_loses_the_running_session(self, client, site_admin, dora):
        sign_in(client)
        admin = type(client)()
        admin.force_login(site_admin)
        admin.post(reverse("accounts:activation", args=[dora.pk]), {"active": "0"})
        assert client.get(reverse("projects:list")).status_code == 302
        assert AuditEntry.objects.get().changes == {"active": [True, False]}

    def test_reactivated_person_gets_in_again(self, client, as_user, site_admin, dora):
        User.objects.filter(pk=dora.pk).update(is_active=False)
        as_user(site_admin).post(reverse("accounts:activation", args=[dora.pk]), {"active": "1"})
        client.logout()
        assert sign_in(client).status_code == 302

    def test_site_admin_cannot_deactivate_themselves(self, as_user, site_admin):
        response = as_user(site_admin).post(
            reverse("accounts:activation", args=[site_admin.pk]), {"active": "0"}, follow=True
        )
        assert "You cannot deactivate yourself; another site admin can." in response.content.decode()
        site_admin.refresh_from_db()
        assert site_admin.is_active

    def test_unknown_person_is_not_found(self, as_user, site_admin):
        assert as_user(site_admin).get(reverse("accounts:new_password", args=[999])).status_code == 404


class TestAuditLog:
    """The site's log; a project's own is tested with the projects."""

    @pytest.fixture
    def entries(self, alice, site_admin):
        record_audit(
            actor=alice,
            action="role changed",
            object_type="membership",
            object_id=1,
            object_label="bob",
            project_slug="handbook",
            changes={"role": ("viewer", "member")},
        )
        record_audit(
            actor=site_admin, action="tier changed", object_type="tier", object_id=1, object_label="free"
        )

    def test_shows_every_change_newest_first(self, as_user, site_admin, entries):
        page = as_user(site_admin).get(reverse("accounts:audit")).context["page"]
        assert [entry.action for entry in page] == ["tier changed", "role changed"]

    @pytest.mark.parametrize(
        ("query", "shown"),
        [
            ({"person": "ALI"}, ["role changed"]),
            ({"kind": "tier"}, ["tier changed"]),
            ({"since": "2000-01-01"}, ["tier changed", "role changed"]),
            ({"since": "2999-01-01"}, []),
            ({"person": "alice", "kind": "tier"}, []),
        ],
    )
    def test_filter_narrows_it(self, as_user, site_admin, entries, query, shown):
        page = as_user(site_admin).get(reverse("accounts:audit"), query).context["page"]
        assert [entry.action for entry in page] == shown

    def test_filter_offers_what_the_log_of_the_project_has(self, as_user, alice, project, entries):
        response = as_user(alice).get(reverse("projects:audit", args=[project.slug]))
        assert AuditEntry.objects.filter(object_type="tier").exists()
        assert "tier" not in dict(response.context["form"].fields["kind"].choices)
        assert ("membership", "Membership") in response.context["form"].fields["kind"].choices

    def test_filter_that_cannot_be_read_says_so(self, as_user, site_admin, entries):
        response = as_user(site_admin).get(reverse("accounts:audit"), {"since": "yesterday"})
        assert "since" in response.context["form"].errors

    def test_second_page_keeps_the_filter(self, as_user, site_admin):
        for number in range(51):
            record_audit(
                actor=site_admin, action="added", object_type="x", object_id=number, object_label=str(number)
            )
        page = as_user(site_admin).get(reverse("accounts:audit"), {"kind": "x"}).content.decode()
        assert "?kind=x&amp;page=2" in page

    def test_script_in_a_label_is_shown_as_text(self, as_user, site_admin):
        record_audit(
            actor=site_admin, action="added", object_type="x", object_id=1, object_label="<script>x</script>"
        )
        assert "<script>x" not in as_user(site_admin).get(reverse("accounts:audit")).content.decode()


@pytest.mark.parametrize("who", ["alice", "bob", "auditor", "charlie"])
@pytest.mark.parametrize("name", ["accounts:people", "accounts:audit"])
def test_pages_of_the_site_are_refused_to_everybody_else(request, as_user, who, name):
    response = as_user(request.getfixturevalue(who)).get(reverse(name))
    assert response.status_code == 403
    assert "Only a site admin may do this." in response.content.decode()


@pytest.mark.parametrize("name", ["accounts:new_password", "accounts:activation"])
def test_account_of_another_is_out_of_reach_for_a_project_admin(as_user, alice, bob, name):
    assert as_user(alice).post(reverse(name, args=[bob.pk]), {"active": "0"}).status_code == 403
    bob.refresh_from_db()
    assert bob.is_active
    assert not bob.password_is_temporary


def test_health_answers_without_signing_in(client):
    assert client.get("/health/").json() == {"status": "ok"}


def test_unknown_address_is_explained_in_the_frame(as_user, charlie):
    response = as_user(charlie).get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_server_error_page_needs_no_database(rf, django_assert_num_queries):
    from readiness.accounts.views import server_error

    with django_assert_num_queries(0):
        response = server_error(rf.get("/"))
    assert response.status_code == 500
    assert b"Something went wrong on our side" in response.content


def test_form_without_its_token_is_refused_in_plain_words(dora):
    from django.test import Client

    response = Client(enforce_csrf_checks=True).post(reverse("accounts:login"), {"username": "dora"})
    assert response.status_code == 403
    assert b"This form has expired" in response.content


def test_admin_of_django_signs_in_through_the_throttled_form(client):
    assert type(client.get("/admin/login/").context["form"]).__name__ == "StaffSignInForm"
