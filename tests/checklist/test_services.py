"""Gathering evidence, a person's word, and what would be shipped."""

from dataclasses import replace
from datetime import timedelta

import pytest

from readiness.accounts.models import AuditEntry, User
from readiness.checklist import producers
from readiness.checklist.catalogue import current
from readiness.checklist.models import Attestation, Evidence, Target
from readiness.checklist.queries import target_of, verdicts
from readiness.checklist.services import (
    NotAttestableError,
    TargetDetails,
    attest,
    comment,
    gather_evidence,
    set_target,
    withdraw,
)
from readiness.checklist.statuses import Status
from readiness.projects.models import Project
from tests.builders import make_deployment, make_prompt_version
from tests.checklist.builders import NOW, PRODUCERS
from tests.checklist.rows import make_finished_run, make_target

pytestmark = pytest.mark.django_db


def status(project: Project, criterion: str, now=NOW) -> Status:
    return verdicts(project, now).views[criterion].judgement.status


def details(target: Target) -> TargetDetails:
    return TargetDetails(
        deployment=target.deployment,
        prompt_version=target.prompt_version,
        dataset_version=target.dataset_version,
        application_version=target.application_version,
    )


def test_code_answers_to_exactly_the_producers_of_the_catalogue():
    named = {name for criterion in current().criteria for name in criterion.producers}

    assert producers.registered() == named == PRODUCERS


def test_same_measurement_is_not_stored_twice(project):
    target = make_target(project)
    make_finished_run(target)

    assert "M5" in {row.criterion for row in gather_evidence(project, NOW)}
    assert gather_evidence(project, NOW) == []


def test_another_run_is_a_new_measurement(project):
    target = make_target(project)
    make_finished_run(target, at=NOW - timedelta(hours=1))
    gather_evidence(project, NOW)
    make_finished_run(target)

    assert {row.criterion for row in gather_evidence(project, NOW)} == {"M3", "M5", "M6"}


def test_retried_cells_are_a_new_measurement(project):
    run = make_finished_run(make_target(project), at=NOW - timedelta(hours=1))
    gather_evidence(project, NOW)
    run.finished_at = NOW
    run.save()

    assert "M5" in {row.criterion for row in gather_evidence(project, NOW)}


def test_nothing_is_measured_for_a_category_that_a_criterion_does_not_concern(project):
    project.category = "decision"
    project.save()
    excluded = {c.id for c in current().criteria if "decision" not in c.profiles}

    assert not excluded & {row.criterion for row in gather_evidence(project, NOW)}


def test_criterion_turns_stale_with_the_target_and_names_what_moved(project, bob):
    target = make_target(project)
    make_finished_run(target)
    gather_evidence(project, NOW)
    assert status(project, "M5") is Status.UNDECIDED

    prompt = make_prompt_version(project, user="Answer shortly: {{ question }} {{ source }}")
    set_target(actor=bob, project=project, details=replace(details(target), prompt_version=prompt), now=NOW)
    gather_evidence(project, NOW)

    judgement = verdicts(project, NOW).views["M5"].judgement
    assert (judgement.status, judgement.moved) == (Status.STALE, ("P",))
    assert judgement.reason == "Measured on another prompt version than would be shipped now."


def test_criterion_turns_back_when_the_target_does(project, bob):
    target = make_target(project)
    first, second = target.prompt_version, make_prompt_version(project, user="Briefly: {{ question }}")
    make_finished_run(target, at=NOW - timedelta(hours=2))
    make_finished_run(target, prompt_version=second, at=NOW - timedelta(hours=1))
    for prompt in (first, second, first):
        set_target(
            actor=bob, project=project, details=replace(details(target), prompt_version=prompt), now=NOW
        )
        gather_evidence(project, NOW)

    assert status(project, "M5") is not Status.STALE
    assert Evidence.objects.filter(criterion="M5").count() == 3


def test_target_change_is_audited_by_its_fields(project, bob):
    deployment = make_deployment(name="sim-large")

    set_target(actor=bob, project=project, details=TargetDetails(deployment=deployment), now=NOW)

    entry = AuditEntry.objects.get(action="target changed")
    assert (entry.actor, entry.changes) == (bob, {"deployment": ["", "sim-large"]})


def test_target_that_stays_is_not_audited(project, bob):
    target = make_target(project)

    set_target(actor=bob, project=project, details=details(target), now=NOW)

    assert not AuditEntry.objects.filter(action="target changed").exists()


def test_application_version_remembers_when_it_was_set(project, bob):
    set_target(actor=bob, project=project, details=TargetDetails(application_version="2.1"), now=NOW)

    assert target_of(project).version_since == NOW


def test_target_is_empty_until_somebody_says_what_it_is(project):
    assert target_of(project).pk is None


def vouch(project: Project, actor: User, criterion: str = "M8") -> Attestation:
    return attest(
        actor=actor,
        project=project,
        criterion=current().criterion(criterion),
        note="The contract of 3 March covers it.",
        now=NOW,
    )


def test_attested_criterion_counts_until_the_catalogues_age_is_over(project, bob):
    word = vouch(project, bob)

    assert word.expires_at == NOW + timedelta(days=180)
    assert status(project, "M8") is Status.ATTESTED
    assert status(project, "M8", word.expires_at) is Status.STALE


def test_attestation_is_about_what_would_be_shipped(project, bob):
    target = make_target(project)
    vouch(project, bob)
    set_target(
        actor=bob, project=project, details=replace(details(target), deployment=make_deployment()), now=NOW
    )

    assert verdicts(project, NOW).views["M8"].judgement.moved == ("M",)


def test_word_is_a_stop_gap_where_nothing_measures(project, bob):
    assert status(project, "A4") is Status.UNMEASURED

    word = vouch(project, bob, "A4")

    assert status(project, "A4") is Status.ATTESTED
    assert status(project, "A4", word.expires_at) is Status.UNMEASURED


def test_word_does_not_stand_for_a_measurement(project, bob):
    with pytest.raises(NotAttestableError):
        vouch(project, bob, "M5")


def test_word_does_not_turn_a_measured_failure(project, bob):
    gather_evidence(project, NOW)
    vouch(project, bob, "M1")

    assert status(project, "M1") is Status.FAIL


def test_withdrawn_word_no_longer_counts_and_stays_in_the_history(project, bob, alice):
    word = vouch(project, bob)

    assert withdraw(actor=alice, attestation=word, now=NOW)

    assert status(project, "M8") is Status.UNMEASURED
    word.refresh_from_db()
    assert word.withdrawn_by_label == "alice"


def test_word_is_withdrawn_once(project, bob, alice):
    word = vouch(project, bob)
    withdraw(actor=bob, attestation=word, now=NOW)

    assert not withdraw(actor=alice, attestation=word, now=NOW)


def test_comment_keeps_its_authors_name(project, bob):
    criterion = current().criterion("Q3")

    assert comment(actor=bob, project=project, criterion=criterion, text="Why 5 %?").author_label == "bob"
