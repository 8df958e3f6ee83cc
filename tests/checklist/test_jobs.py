"""The periodic job."""

import pytest

from readiness.checklist import producers
from readiness.checklist.jobs import gather_all_evidence
from readiness.checklist.models import Evidence
from readiness.projects.models import Project

pytestmark = pytest.mark.django_db


def test_every_project_is_measured(project):
    Project.objects.create(name="Other", slug="other")

    gather_all_evidence()

    slugs = Evidence.objects.filter(criterion="M1").values_list("project__slug", flat=True)
    assert set(slugs) == {"handbook", "other"}


def test_one_failure_does_not_keep_the_others_waiting(project, monkeypatch, caplog):
    Project.objects.create(name="A broken one", slug="broken")

    real = producers.producer("projects.requirements")

    def fails_for_one(subject):
        if subject.project.slug == "broken":
            raise RuntimeError("no such thing")
        return real(subject)

    monkeypatch.setitem(producers._registry, "projects.requirements", fails_for_one)
    gather_all_evidence()

    assert Evidence.objects.filter(project=project, criterion="M1").exists()
    assert "Evidence of project broken could not be gathered." in caplog.text
