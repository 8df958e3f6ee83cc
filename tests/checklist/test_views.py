"""The pages of the checklist and their fragments: what they show, and to whom."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from readiness.accounts.models import User
from readiness.alerts.models import Severity
from readiness.alerts.services import raise_alert
from readiness.checklist.catalogue import current
from readiness.checklist.models import Attestation, Comment, Evidence, Target
from readiness.checklist.queries import verdicts
from readiness.checklist.services import attest, gather_evidence
from readiness.projects.models import Membership, Role
from tests.builders import make_account, make_deployment, make_prompt_version
from tests.checklist.builders import plain
from tests.checklist.rows import make_check, make_decision, make_finished_run, make_target, make_traffic

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

READ = {
    "overview": (),
    "step": (3,),
    "criterion": ("M8",),
    "last_day": (),
    "nav": (),
    "badge": (),
}
WRITE = {
    "attest": (("M8",), {"note": "The contract of 3 March covers it."}),
    "comment": (("M8",), {"text": "Who asked the provider?"}),
    "target": ((), {"application_version": "2.1"}),
}


def address(name: str, *arguments: object) -> str:
    return reverse(f"checklist:{name}", args=["handbook", *arguments])


def page(as_user, user: User, name: str, *arguments: object, **query: str) -> str:
    response = as_user(user).get(address(name, *arguments), query)
    assert response.status_code == 200
    return plain(response.content.decode())


@pytest.mark.parametrize("name", READ)
def test_viewer_reads_everything(as_user, auditor, name):
    assert as_user(auditor).get(address(name, *READ[name])).status_code == 200


@pytest.mark.parametrize("name", READ)
def test_stranger_finds_nothing(as_user, project, charlie, name):
    assert as_user(charlie).get(address(name, *READ[name])).status_code == 404


@pytest.mark.parametrize("name", READ)
def test_reading_needs_a_sign_in(client, project, name):
    response = client.get(address(name, *READ[name]))

    assert response.status_code == 302
    assert response.url.startswith(reverse("accounts:login"))


@pytest.mark.parametrize("name", WRITE)
def test_viewer_changes_nothing(as_user, auditor, name):
    arguments, data = WRITE[name]

    assert as_user(auditor).post(address(name, *arguments), data).status_code == 403
    assert [model.objects.count() for model in (Attestation, Comment, Target)] == [0, 0, 0]


@pytest.mark.parametrize("name", WRITE)
def test_stranger_cannot_write(as_user, project, charlie, name):
    arguments, data = WRITE[name]

    assert as_user(charlie).post(address(name, *arguments), data).status_code == 404


@pytest.mark.parametrize("name", WRITE)
def test_member_writes_and_is_sent_back(as_user, bob, name):
    arguments, data = WRITE[name]

    assert as_user(bob).post(address(name, *arguments), data).status_code == 303


@pytest.mark.parametrize("name", ["attest", "comment"])
def test_posts_are_not_for_reading(as_user, bob, name):
    assert as_user(bob).get(address(name, "M8")).status_code == 405


@pytest.mark.parametrize(("name", "argument"), [("step", 0), ("step", 7), ("criterion", "Z1")])
def test_what_does_not_exist_is_not_found(as_user, bob, name, argument):
    assert as_user(bob).get(address(name, argument)).status_code == 404


# Overview


def test_overview_of_an_empty_project_says_what_comes_first(as_user, bob):
    text = page(as_user, bob, "overview")

    for title in ("Connect an AI service", "Import your own examples", "Run a benchmark"):
        assert title in text


def test_overview_offers_a_viewer_no_buttons(as_user, auditor):
    text = page(as_user, auditor, "overview")

    assert "Change<span" not in text
    assert address("target") not in text


def test_overview_measures_what_is_new(as_user, bob, project):
    make_finished_run(make_target(project))

    page(as_user, bob, "overview")

    assert Evidence.objects.filter(criterion="M5").exists()


def test_overview_says_what_is_not_measured(as_user, bob):
    text = page(as_user, bob, "overview")

    assert "blockers are not measured by this version and do not block" in text
    assert "more blockers are announced" in text


def test_overview_names_what_would_be_shipped(as_user, bob, project):
    target = make_target(project, application_version="2026.11")

    text = page(as_user, bob, "overview")

    for part in ("sim-medium", str(target.prompt_version), str(target.dataset_version), "2026.11"):
        assert part in text


def test_overview_estimates_a_run_like_the_last_one(as_user, bob, project, monkeypatch):
    monkeypatch.setattr("readiness.checklist.views.ACTIONS_SHOWN", 99)
    target = make_target(project)
    make_finished_run(target, at=timezone.now() - timedelta(days=31), spent_nanos=4_200_000_000)

    assert "≈ $4.20 · 9 min" in page(as_user, bob, "overview")


def test_first_steps_go_once_they_were_walked(as_user, bob, project):
    make_finished_run(make_target(project))

    assert "First evidence in four steps" not in page(as_user, bob, "overview")


def test_simulated_evidence_is_marked(as_user, bob, project):
    make_finished_run(make_target(project, account=make_account(project, simulated=True)))

    assert "Measured on answers of the simulated AI service." in page(as_user, bob, "step", 1)


# Step


def test_step_shows_value_interval_and_what_it_was_measured_on(as_user, bob, project):
    make_finished_run(make_target(project))

    text = page(as_user, bob, "step", 1)

    assert "Baseline: sim-medium" in text
    assert 'class="interval undecided"' in text
    assert "n = 3" in text


def test_step_names_the_key_that_moved(as_user, bob, project):
    target = make_target(project)
    make_finished_run(target, at=timezone.now())
    gather_evidence(project, timezone.now())
    target.prompt_version = make_prompt_version(project, user="Briefly: {{ question }}")
    target.save()

    assert "Measured on another prompt version than would be shipped now." in page(as_user, bob, "step", 1)


def test_step_can_show_blockers_only(as_user, bob):
    assert "A request costs no more than planned" in page(as_user, bob, "step", 1)
    assert "A request costs no more than planned" not in page(as_user, bob, "step", 1, show="blockers")


def test_step_keeps_apart_what_nothing_measures(as_user, bob):
    measured, _, unmeasured = page(as_user, bob, "step", 1).partition('id="unmeasured-title"')

    assert "The model was compared with a rival" in measured
    assert "Answers are accurate and relevant" in unmeasured


def test_step_lists_the_parts_that_a_pass_does_not_cover(as_user, bob, project):
    make_traffic(make_target(project), at=timezone.now())

    assert "Not measured by this version: Configured limit" in page(as_user, bob, "step", 6)


def test_step_leads_to_where_a_criterion_is_fixed(as_user, bob):
    assert reverse("benchmarks:new", args=["handbook"]) in page(as_user, bob, "step", 1)


# Criterion


def test_criterion_says_its_rule_in_words(as_user, bob):
    text = page(as_user, bob, "criterion", "Q3")

    assert "the 97.5 % upper bound is ≤ 5.0 %" in text


def test_criterion_pages_through_its_evidence(as_user, bob, project):
    for number in range(25):
        Evidence.objects.create(
            project=project,
            criterion="Q3",
            method="tests/1",
            digest=str(number),
            explanation=f"Run {number}.",
            measured_at=timezone.now(),
        )

    assert "Run 24." in page(as_user, bob, "criterion", "Q3")
    assert "Run 0." in page(as_user, bob, "criterion", "Q3", page="2")


def test_criterion_escapes_what_people_write(as_user, bob, project):
    as_user(bob).post(address("comment", "Q3"), {"text": "<b>bold</b>"})

    assert "&lt;b&gt;bold&lt;/b&gt;" in page(as_user, bob, "criterion", "Q3")


def test_word_without_a_reason_is_refused_and_kept(as_user, bob):
    response = as_user(bob).post(address("attest", "M8"), {"note": "Trust me"})

    assert response.status_code == 422
    assert "Trust me" in response.content.decode()
    assert not Attestation.objects.exists()


def test_word_about_what_is_measured_is_refused(as_user, bob):
    response = as_user(bob).post(
        address("attest", "M5"), {"note": "It felt fast enough to all of us."}, follow=True
    )

    assert "a person&#x27;s word does not stand for that" in response.content.decode()
    assert not Attestation.objects.exists()


def vouch(project, actor: User) -> Attestation:
    return attest(
        actor=actor,
        project=project,
        criterion=current().criterion("M8"),
        note="The contract covers it.",
        now=timezone.now(),
    )


def withdrawn(as_user, user: User, word: Attestation) -> int:
    status: int = as_user(user).post(address("withdraw", word.pk)).status_code
    word.refresh_from_db()
    return status


def test_author_withdraws_their_word(as_user, project, bob):
    word = vouch(project, bob)

    assert withdrawn(as_user, bob, word) == 303
    assert word.withdrawn_at is not None


def test_admin_withdraws_anybodys_word(as_user, project, bob, alice):
    word = vouch(project, bob)

    assert withdrawn(as_user, alice, word) == 303
    assert word.withdrawn_at is not None


@pytest.mark.parametrize(("name", "status"), [("rita", 403), ("auditor", 403), ("charlie", 404)])
def test_others_cannot_withdraw_a_word(request, as_user, project, bob, name, status):
    word = vouch(project, bob)

    assert withdrawn(as_user, request.getfixturevalue(name), word) == status
    assert word.withdrawn_at is None


def test_author_who_may_only_read_by_now_cannot_withdraw(as_user, project, bob):
    word = vouch(project, bob)
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)

    assert withdrawn(as_user, bob, word) == 403


def test_word_in_another_project_is_not_found(as_user, project, alice):
    other = type(project).objects.create(name="Other", slug="other")
    word = vouch(other, alice)

    assert withdrawn(as_user, alice, word) == 404


# Target


def test_target_is_chosen_among_the_projects_own(as_user, bob, project):
    other = type(project).objects.create(name="Other", slug="other")
    foreign = make_prompt_version(other)

    response = as_user(bob).post(address("target"), {"prompt_version": foreign.pk})

    assert response.status_code == 422
    assert not Target.objects.exists()


def test_foreign_deployment_cannot_become_the_target(as_user, bob, project):
    other = type(project).objects.create(name="Other", slug="other")
    foreign = make_deployment(make_account(other))

    assert as_user(bob).post(address("target"), {"deployment": foreign.pk}).status_code == 422


def test_target_that_was_switched_off_stays_chosen(as_user, bob, project):
    target = make_target(project)
    assert target.deployment is not None
    target.deployment.active = False
    target.deployment.save()

    response = as_user(bob).post(
        address("target"), {"deployment": target.deployment.pk, "application_version": "2"}
    )

    assert response.status_code == 303


# Fragments


def test_nav_fills_every_mark_out_of_band(as_user, bob, project):
    make_decision(make_target(project))

    text = page(as_user, bob, "nav")

    for number in range(1, 7):
        assert f'id="nav-mark-step-{number}" hx-swap-oob="true"' in text
    assert 'id="nav-mark-reviews" hx-swap-oob="true"' in text
    assert 'id="nav-mark-alerts" hx-swap-oob="true"></span>' in text


def test_nav_counts_open_alerts(as_user, bob, project):
    for key in ("one", "two"):
        raise_alert(
            key=key, project=project, severity=Severity.WARNING, title="Something is wrong", detail=""
        )

    assert '<span class="count">2<span class="visually-hidden"> open</span></span>' in page(
        as_user, bob, "nav"
    )


def test_badge_counts_what_is_shut(as_user, bob, project):
    make_traffic(make_target(project), at=timezone.now(), upstream_429=50)
    gather_evidence(project, timezone.now())

    text = page(as_user, bob, "badge")

    assert "Not ready" in text
    assert "of 15 blockers shut" in text


def test_last_day_says_how_to_get_figures(as_user, bob):
    assert "No call went through the one door" in page(as_user, bob, "last_day")


# Cost


def count_queries(action) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        action()
    return len(queries)


def test_verdicts_take_the_same_queries_whatever_there_is(project, bob):
    target = make_target(project)
    few = count_queries(lambda: verdicts(project, timezone.now()))
    for _ in range(3):
        make_finished_run(target, rivals=[make_deployment()], at=timezone.now())
        make_check(target, at=timezone.now())
        make_decision(target)
        gather_evidence(project, timezone.now())
        vouch(project, bob)

    assert count_queries(lambda: verdicts(project, timezone.now())) == few


def test_gathering_takes_the_same_queries_when_nothing_is_new(project):
    target = make_target(project)
    now = timezone.now()
    counts = []
    for _ in range(3):
        make_finished_run(target, rivals=[make_deployment()], at=now)
        make_check(target, at=now)
        make_decision(target)
        make_traffic(target, at=now - timedelta(hours=len(counts)))
        gather_evidence(project, now)
        counts.append(count_queries(lambda: gather_evidence(project, now)))

    assert len(set(counts)) == 1
