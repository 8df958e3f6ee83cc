import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from readiness.alerts.services import acknowledge, resolve_alert
from readiness.projects.models import Project
from tests.alerts.builders import make_alert


def url(project, **query):
    return reverse("alerts:list", args=[project.slug], query=query)


def acknowledge_url(project, alert):
    return reverse("alerts:acknowledge", args=[project.slug, alert.pk])


def shown(response):
    return [alert.key for alert in response.context["page"]]


def test_page_shows_open_alerts_first(as_user, auditor, project):
    make_alert(key="open", project=project, title="Out of credit")
    make_alert(key="over", project=project)
    resolve_alert(key="over")
    response = as_user(auditor).get(url(project))
    assert shown(response) == ["open"]
    assert "Out of credit" in response.content.decode()


def test_page_shows_past_alerts_on_demand(as_user, auditor, project):
    make_alert(key="open", project=project)
    make_alert(key="over", project=project)
    resolve_alert(key="over")
    assert shown(as_user(auditor).get(url(project, state="past"))) == ["over"]


def test_filter_narrows_to_a_severity(as_user, auditor, project):
    make_alert(key="critical", project=project)
    make_alert(key="info", severity="info", project=project)
    assert shown(as_user(auditor).get(url(project, severity="info"))) == ["info"]


@pytest.mark.parametrize("query", [{"state": "<b>"}, {"severity": "x' OR 1"}, {"page": "-1"}])
def test_page_ignores_what_does_not_exist(as_user, auditor, project, query):
    make_alert(key="open", project=project)
    assert shown(as_user(auditor).get(url(project, **query))) == ["open"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "Nothing needs you"),
        ({"state": "past"}, "No past alerts"),
        ({"severity": "info"}, "No alert has this severity"),
    ],
)
def test_page_without_alerts_says_so(as_user, auditor, project, query, words):
    assert words in as_user(auditor).get(url(project, **query)).content.decode()


def test_many_alerts_are_cut_into_pages_that_keep_the_filter(as_user, auditor, project):
    for _ in range(51):
        make_alert(severity="info", project=project)
    page = as_user(auditor).get(url(project, severity="info"))
    assert len(shown(page)) == 50
    assert "severity=info&amp;page=2" in page.content.decode()
    assert len(shown(as_user(auditor).get(url(project, severity="info", page=2)))) == 1


def test_query_count_does_not_grow_with_alerts(as_user, auditor, bob, project):
    client = as_user(auditor)
    acknowledge(alert=make_alert(project=project), by=bob)
    with CaptureQueriesContext(connection) as few:
        client.get(url(project))
    for _ in range(10):
        acknowledge(alert=make_alert(project=project), by=bob)
    with CaptureQueriesContext(connection) as many:
        client.get(url(project))
    assert len(many) == len(few)


def test_what_an_alert_says_is_escaped_on_page_and_banner(as_user, auditor, project):
    make_alert(project=project, title="<script>alert(1)</script>", detail="<img src=x>")
    client = as_user(auditor)
    for address in (url(project), reverse("projects:settings", args=[project.slug])):
        page = client.get(address).content.decode()
        assert "&lt;script&gt;alert(1)" in page
        assert "&lt;img src=x&gt;" in page
        assert "<script>alert(1)" not in page
        assert "<img" not in page


def test_member_acknowledges_and_everybody_sees_who_it_was(as_user, bob, project):
    alert = make_alert(project=project)
    response = as_user(bob).post(acknowledge_url(project, alert), follow=True)
    alert.refresh_from_db()
    assert alert.acknowledged_by == bob
    page = response.content.decode()
    assert "acknowledged by bob" in page
    assert acknowledge_url(project, alert) not in page


def test_who_comes_second_is_told_so(as_user, alice, bob, project):
    alert = make_alert(project=project)
    acknowledge(alert=alert, by=bob)
    response = as_user(alice).post(acknowledge_url(project, alert), follow=True)
    assert "Somebody was faster" in response.content.decode()


def test_viewer_sees_no_button_and_is_refused(as_user, auditor, project):
    alert = make_alert(project=project)
    client = as_user(auditor)
    assert acknowledge_url(project, alert) not in client.get(url(project)).content.decode()
    assert client.post(acknowledge_url(project, alert)).status_code == 403
    alert.refresh_from_db()
    assert alert.acknowledged_at is None


def test_alert_of_the_site_is_acknowledged_by_site_admins_only(as_user, alice, site_admin, project):
    alert = make_alert()
    client = as_user(alice)
    assert acknowledge_url(project, alert) not in client.get(url(project)).content.decode()
    assert client.post(acknowledge_url(project, alert)).status_code == 403
    as_user(site_admin).post(acknowledge_url(project, alert))
    alert.refresh_from_db()
    assert alert.acknowledged_by == site_admin


PUT_RIGHT = "Put it right</a>"


def test_alert_of_the_site_is_put_right_on_the_limits_page_of_each_project(as_user, auditor, project):
    make_alert()
    client, limits = as_user(auditor), reverse("operations:limits", args=[project.slug])
    assert f'<a class="button" href="{limits}">{PUT_RIGHT}' in client.get(url(project)).content.decode()
    banner = client.get(reverse("projects:settings", args=[project.slug])).content.decode()
    assert f'<a href="{limits}">{PUT_RIGHT}' in banner


def test_alert_of_the_project_leads_to_no_page_that_it_does_not_name(as_user, auditor, project):
    make_alert(project=project)
    for address in (url(project), reverse("projects:settings", args=[project.slug])):
        assert PUT_RIGHT not in as_user(auditor).get(address).content.decode()


def test_alert_of_another_project_does_not_exist(as_user, alice, project):
    alert = make_alert(project=Project.objects.create(name="Other", slug="other"))
    assert as_user(alice).post(acknowledge_url(project, alert)).status_code == 404


def test_stranger_gets_404(as_user, charlie, project):
    assert as_user(charlie).get(url(project)).status_code == 404


class TestBanner:
    @pytest.fixture
    def page(self, as_user, auditor, project):
        """Any page of the project."""
        address = reverse("projects:settings", args=[project.slug])
        return lambda: as_user(auditor).get(address).content.decode()

    def test_names_open_critical_alerts_and_where_to_put_them_right(self, page, project):
        make_alert(project=project, title="Out of credit", link="/p/handbook/limits/")
        assert "Out of credit" in page()
        assert '<a href="/p/handbook/limits/">Put it right</a>' in page()

    def test_is_silent_about_lesser_and_past_alerts(self, page, project):
        make_alert(project=project, severity="warning", title="Slow")
        make_alert(key="over", project=project, title="Was out of credit")
        resolve_alert(key="over")
        assert "Critical alerts" not in page()

    def test_says_who_is_on_it(self, page, project, bob):
        acknowledge(alert=make_alert(project=project), by=bob)
        assert "bob is on it" in page()

    def test_names_three_and_leads_to_the_rest(self, page, project):
        for number in range(5):
            make_alert(project=project, title=f"Trouble {number}")
        found = page()
        assert found.count("Trouble") == 3
        assert "More alerts" in found

    def test_takes_one_query_and_none_on_pages_without_a_project(self, as_user, alice, project):
        client = as_user(alice)
        for address, expected in {
            reverse("projects:settings", args=[project.slug]): 1,
            reverse("projects:list"): 0,
        }.items():
            with CaptureQueriesContext(connection) as queries:
                client.get(address)
            assert sum("alerts_alert" in query["sql"] for query in queries.captured_queries) == expected

    def test_stands_above_a_refusal_too(self, as_user, bob, project):
        make_alert(project=project, title="Out of credit")
        response = as_user(bob).get(reverse("projects:audit", args=[project.slug]))
        assert response.status_code == 403
        assert "Out of credit" in response.content.decode()
