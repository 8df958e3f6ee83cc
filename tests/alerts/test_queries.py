from datetime import UTC, datetime, timedelta

import pytest

from readiness.alerts.queries import critical_alerts, open_alerts, past_alerts
from readiness.alerts.services import resolve_alert
from readiness.projects.models import Project
from tests.alerts.builders import make_alert

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def keys(alerts):
    return [alert.key for alert in alerts]


@pytest.fixture
def other(db):
    return Project.objects.create(name="Other", slug="other")


def test_open_alerts_are_the_projects_own_and_those_of_the_site(project, other):
    make_alert(key="own", project=project, at=NOON)
    make_alert(key="site", at=NOON - timedelta(hours=1))
    make_alert(key="other", project=other)
    assert keys(open_alerts(project)) == ["own", "site"]


def test_worst_comes_first_and_then_the_youngest(project):
    for minute, (key, severity) in enumerate(
        [("info", "info"), ("old", "critical"), ("young", "critical"), ("warning", "warning")]
    ):
        make_alert(key=key, severity=severity, project=project, at=NOON + timedelta(minutes=minute))
    assert keys(open_alerts(project)) == ["young", "old", "warning", "info"]


def test_past_alerts_are_those_that_ended_the_last_to_end_first(project, other):
    for hours, key in enumerate(["first", "second"]):
        make_alert(key=key, project=project)
        resolve_alert(key=key, at=NOON + timedelta(hours=hours))
    make_alert(key="open", project=project)
    make_alert(key="other", project=other)
    resolve_alert(key="other")
    assert keys(past_alerts(project)) == ["second", "first"]


def test_critical_alerts_are_open_and_critical(project):
    make_alert(key="critical", project=project)
    make_alert(key="warning", severity="warning", project=project)
    make_alert(key="over", project=project)
    resolve_alert(key="over")
    assert keys(critical_alerts(project)) == ["critical"]
