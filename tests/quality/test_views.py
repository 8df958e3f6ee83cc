"""The quality pages: what they show, who may do what, and the button that starts a round."""

import json
from datetime import timedelta

import django_rq
import pytest
from django.urls import reverse
from django.utils import timezone

from readiness.accounts.models import AuditEntry
from readiness.quality.jobs import QUEUE, enqueue_check
from readiness.quality.models import CheckState, SpotCheckPolicy
from readiness.reviews.models import ReviewItem
from tests.builders import make_review_item

HTMX = {"HX-Request": "true"}
POLICY = {
    "enabled": "on",
    "daily_minimum": "80",
    "share_percent": "2.5",
    "daily_budget_usd": "3",
    "reask_count": "1",
}


def url(name, project):
    return reverse(f"quality:{name}", args=[project.slug])


@pytest.fixture(autouse=True)
def redis(redis_server):
    return redis_server


def finished(make_check, **values):
    """A check that is done; keywords go to the check."""
    check = make_check(drawn=False)
    fields = {"state": CheckState.DONE, "sampled_at": timezone.now(), "finished_at": timezone.now()} | values
    for name, value in fields.items():
        setattr(check, name, value)
    check.answer.at = timezone.now()
    check.answer.save()
    check.save()
    return check


@pytest.mark.parametrize("name", ["spot_checks", "progress", "policy", "chart"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_stranger_finds_nothing(as_user, charlie, project, name, headers):
    assert as_user(charlie).get(url(name, project), headers=headers).status_code == 404


@pytest.mark.parametrize(("who", "name"), [("auditor", "run"), ("rita", "policy")])
def test_role_that_is_too_low_changes_nothing(request, as_user, project, policy, who, name):
    response = as_user(request.getfixturevalue(who)).post(url(name, project), POLICY, headers=HTMX)
    assert response.status_code == 403
    assert SpotCheckPolicy.objects.get().daily_minimum == 50


def test_stream_shows_verdict_marks_and_the_way_to_the_review(as_user, auditor, project, make_check):
    item = make_review_item(project)
    finding = {"start": 0, "end": 8, "kind": "name", "text": "Warranty", "scorer": "unsupported_details"}
    finished(make_check, supported=False, findings=[finding], review_item=item)
    text = as_user(auditor).get(url("spot_checks", project)).text
    assert "<b>unsupported</b>" in text
    assert ">Warranty</mark>" in text
    assert reverse("reviews:item", args=[project.slug, item.pk]) in text


def test_answer_of_a_model_is_escaped(as_user, auditor, project, make_check):
    check = finished(make_check, explanation="<i>judge</i>")
    check.answer.output = "<script>alert(1)</script>"
    check.answer.save()
    text = as_user(auditor).get(url("spot_checks", project)).text
    assert "<script>alert" not in text
    assert "<i>judge" not in text


def test_stream_is_filtered(as_user, auditor, project, make_check):
    flagged = finished(make_check, consistent=False, consistency=0.1)
    clear = finished(make_check, supported=True)
    unmeasured = finished(make_check)
    failed = finished(make_check, state=CheckState.FAILED)
    waiting = make_check()
    client = as_user(auditor)

    def found(show):
        return {check for check, _ in client.get(url("spot_checks", project), {"show": show}).context["rows"]}

    assert found("flagged") == {flagged}
    assert found("unflagged") == {clear, unmeasured}
    assert found("failed") == {failed}
    assert found("waiting") == {waiting}
    assert found("") == {flagged, clear, unmeasured, failed, waiting}


def test_rates_stand_with_their_counts_and_what_is_not_measured(as_user, auditor, project, make_check):
    for supported in (True, True, False, None):
        finished(make_check, supported=supported)
    response = as_user(auditor).get(url("spot_checks", project))
    support, consistency = response.context["rates"]
    assert (support.successes, support.estimate.n) == (2, 3)
    assert consistency.estimate is None
    assert "not measured by this version" in response.text


def test_stream_asks_no_more_queries_for_more_checks(
    as_user, auditor, project, make_check, django_assert_max_num_queries
):
    client = as_user(auditor)
    for _ in range(15):
        finished(make_check)
    with django_assert_max_num_queries(18):
        client.get(url("spot_checks", project))


@pytest.mark.django_db(transaction=True)  # jobs are queued on commit
def test_run_now_asks_for_one_round_however_often_it_is_clicked(as_user, bob, project, policy):
    client = as_user(bob)
    first = client.post(url("run", project), headers=HTMX)
    client.post(url("run", project), headers=HTMX)
    assert django_rq.get_queue(QUEUE).count == 1
    assert "A round is at work" in first.text


@pytest.mark.django_db(transaction=True)  # jobs are queued on commit
def test_round_can_be_asked_for_again_when_it_is_over(project, policy):
    assert enqueue_check(project.pk)
    assert not enqueue_check(project.pk)
    django_rq.get_queue(QUEUE).fetch_job(f"spot-checks-{project.pk}").delete()
    assert enqueue_check(project.pk)


def test_run_now_without_htmx_leads_back(as_user, bob, project, policy):
    response = as_user(bob).post(url("run", project))
    assert (response.status_code, response.headers["Location"]) == (303, url("spot_checks", project))


def test_run_now_while_switched_off_says_who_can_help(as_user, bob, project):
    response = as_user(bob).post(url("run", project), headers=HTMX)
    assert "An admin switches them on" in response.text
    assert django_rq.get_queue(QUEUE).count == 0


def test_progress_polls_only_while_a_round_is_at_work(as_user, auditor, project, policy, make_check):
    client = as_user(auditor)
    assert "every 2s" not in client.get(url("progress", project), headers=HTMX).text
    finished(make_check, state=CheckState.LEASED)
    assert "every 2s" in client.get(url("progress", project), headers=HTMX).text


def test_admin_saves_the_policy_and_the_audit_log_says_what_changed(as_user, alice, project, policy):
    judge = policy.judge
    response = as_user(alice).post(url("policy", project), POLICY | {"judge": judge.pk})
    assert response.status_code == 303
    policy.refresh_from_db()
    assert (policy.daily_minimum, policy.share, policy.daily_budget_nanos, policy.reask_count) == (
        80,
        0.025,
        3_000_000_000,
        1,
    )
    assert AuditEntry.objects.get().changes == {
        "answers a day, at least": [50, 80],
        "share of the answers": [0.01, 0.025],
        "budget a day": ["$1.00", "$3.00"],
        "re-asks per answer": [2, 1],
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("share_percent", "101"), ("daily_budget_usd", "-1"), ("reask_count", "11"), ("judge", "999999")],
)
def test_impossible_policy_is_refused_at_its_field(as_user, alice, project, policy, field, value):
    response = as_user(alice).post(url("policy", project), POLICY | {field: value})
    assert list(response.context["form"].errors) == [field]


def test_viewer_reads_the_policy_without_a_form(as_user, auditor, project, policy):
    text = as_user(auditor).get(url("policy", project)).text
    assert "Save policy" not in text
    assert "at least 50" in text


def test_chart_draws_each_window_with_its_interval_and_table(as_user, auditor, project, make_check):
    for supported in (True, True, True, False):
        finished(make_check, supported=supported)
    response = as_user(auditor).get(url("chart", project), {"range": "24h"}, headers=HTMX)
    figure = response.context["chart"].figure
    trace = figure["data"][0]
    assert list(trace["y"]) == [0.75]
    assert trace["error_y"]["array"][0] == pytest.approx(0.954 - 0.75, abs=0.001)
    assert "of 4" in response.text
    assert json.dumps(figure)


def test_chart_leaves_out_what_is_older_than_its_range(as_user, auditor, project, make_check):
    finished(make_check, supported=True, sampled_at=timezone.now() - timedelta(days=2))
    client = as_user(auditor)
    assert client.get(url("chart", project), {"range": "24h"}).context["chart"].figure is None
    assert client.get(url("chart", project), {"range": "7d"}).context["chart"].figure is not None


def test_chart_without_checks_says_how_to_get_some(as_user, auditor, project):
    assert "Turn spot-checks on" in as_user(auditor).get(url("chart", project)).text


def test_no_review_item_is_made_by_looking(as_user, auditor, project, make_check):
    finished(make_check)
    as_user(auditor).get(url("spot_checks", project))
    assert not ReviewItem.objects.exists()
