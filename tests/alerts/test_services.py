import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connections

from readiness.alerts.models import Alert
from readiness.alerts.services import acknowledge, delete_past_alerts_before, raise_alert, resolve_alert
from tests.alerts.builders import make_alert

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def test_alert_keeps_what_it_was_raised_with(project):
    raise_alert(
        key="k",
        severity="warning",
        title="T",
        detail="D",
        project=project,
        link="/p/handbook/limits/",
        at=NOON,
    )
    alert = Alert.objects.get()
    assert (alert.key, alert.severity, alert.title, alert.detail) == ("k", "warning", "T", "D")
    assert (alert.project, alert.link, alert.count) == (project, "/p/handbook/limits/", 1)
    assert (alert.first_at, alert.last_at, alert.resolved_at) == (NOON, NOON, None)


def test_repeat_counts_up_and_brings_the_words_up_to_date(project):
    first = make_alert(key="k", project=project, at=NOON)
    again = make_alert(key="k", project=project, title="Still out of credit", at=LATER)
    assert again.pk == first.pk
    alert = Alert.objects.get()
    assert (alert.count, alert.first_at, alert.last_at) == (2, NOON, LATER)
    assert alert.title == "Still out of credit"


def test_repeat_that_comes_late_does_not_turn_the_time_back(db):
    make_alert(key="k", at=LATER)
    assert make_alert(key="k", at=NOON).last_at == LATER


def test_cause_that_comes_back_after_its_end_is_an_alert_of_its_own(db):
    make_alert(key="k", at=NOON)
    assert resolve_alert(key="k", at=LATER)
    make_alert(key="k", at=LATER)
    assert set(Alert.objects.values_list("count", "resolved_at")) == {(1, LATER), (1, None)}


def test_resolving_ends_only_the_open_alert_of_the_key(db):
    make_alert(key="k", at=NOON)
    make_alert(key="other")
    assert resolve_alert(key="k", at=NOON)
    assert not resolve_alert(key="k", at=LATER)
    assert Alert.objects.get(key="k").resolved_at == NOON
    assert Alert.objects.open().get().key == "other"


def test_acknowledgement_says_who_and_when_and_the_first_one_counts(alice, bob):
    alert = make_alert()
    assert acknowledge(alert=alert, by=bob, at=NOON)
    assert not acknowledge(alert=alert, by=alice, at=LATER)
    alert.refresh_from_db()
    assert (alert.acknowledged_by, alert.acknowledged_at) == (bob, NOON)


def test_alert_that_is_over_is_not_acknowledged(bob):
    alert = make_alert()
    resolve_alert(key=alert.key)
    assert not acknowledge(alert=alert, by=bob)


@pytest.mark.parametrize(
    ("before", "after", "kept"), [("warning", "warning", True), ("warning", "critical", False)]
)
def test_acknowledgement_lasts_until_it_gets_worse(bob, before, after, kept):
    acknowledge(alert=make_alert(key="k", severity=before), by=bob)
    make_alert(key="k", severity=after)
    alert = Alert.objects.get()
    assert (alert.acknowledged_by == bob, alert.acknowledged_at is not None) == (kept, kept)


def test_unknown_severity_is_refused(db):
    with pytest.raises(ValueError, match="terrible"):
        make_alert(severity="terrible")


@pytest.mark.parametrize("link", ["https://elsewhere.example", "//elsewhere.example", "javascript:alert(1)"])
def test_link_leads_nowhere_else(db, link):
    with pytest.raises(ValueError, match="path of this site"):
        make_alert(link=link)


def test_long_title_of_a_provider_is_cut_to_its_column(db):
    assert len(make_alert(title="x" * 500).title) == 200


def test_refusal_of_the_database_that_is_no_race_is_not_retried_for_ever(db):
    with pytest.raises(IntegrityError):
        make_alert(detail=None)


@pytest.mark.django_db(transaction=True)
def test_processes_that_raise_the_same_alert_at_once_share_it():
    start = threading.Barrier(8)

    def raise_it() -> None:
        start.wait()
        make_alert(key="k")
        connections.close_all()

    threads = [threading.Thread(target=raise_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(Alert.objects.values_list("key", "count")) == [("k", 8)]


def test_only_alerts_that_ended_long_ago_are_deleted(db):
    make_alert(key="open", at=NOON - timedelta(days=400))
    for key, ended in {"old": NOON - timedelta(seconds=1), "young": NOON}.items():
        make_alert(key=key, at=NOON - timedelta(days=400))
        resolve_alert(key=key, at=ended)
    assert delete_past_alerts_before(moment=NOON) == 1
    assert set(Alert.objects.values_list("key", flat=True)) == {"open", "young"}
