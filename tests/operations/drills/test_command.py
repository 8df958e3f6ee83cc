"""``manage.py drill``, from the first word to the exit code."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from readiness.operations.drills.catalogue import DRILLS
from readiness.operations.models import DrillReport, DrillState
from readiness.projects.models import Project

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("drill", *words, stdout=out)
    return out.getvalue()


def test_list_names_every_drill() -> None:
    lines = run("--list").splitlines()

    assert [line.split()[0] for line in lines] == list(DRILLS)


@pytest.mark.usefixtures("simulator")
def test_report_is_printed_and_kept(project: Project) -> None:
    told = json.loads(run("over-cap", "--quick", "--json", "--project", "handbook"))
    report = DrillReport.objects.get()

    assert (told["name"], told["passed"], told["simulated"]) == ("over-cap", True, True)
    assert (report.project, report.state, report.quick) == (project, DrillState.DONE, True)
    assert told["findings"][0]["label"] == "Calls made"


def test_drill_that_cannot_be_held_exits_with_1(settings, capsys) -> None:
    settings.SIMULATOR_URL = "http://127.0.0.1:9/v1"
    with pytest.raises(SystemExit) as ended:
        run("storm", "--quick")

    assert ended.value.code == 1
    assert DrillReport.objects.get().active is None


@pytest.mark.usefixtures("simulator")
def test_drill_of_a_site_without_tiers_says_so() -> None:
    from readiness.projects.models import Tier

    Tier.objects.all().delete()
    with pytest.raises(SystemExit):
        run("contention", "--quick")

    assert "Add one first" in DrillReport.objects.get().trouble


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["earthquake"], "Name one of the drills"), (["storm", "--project", "nowhere"], "There is no project")],
)
def test_wrong_words_are_named(words: list[str], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        run(*words)


def test_second_drill_is_told_to_wait() -> None:
    from django.utils import timezone

    from readiness.operations.drill_services import start_drill

    start_drill(name="storm", project=None, actor=None, now=timezone.now())
    with pytest.raises(CommandError, match="Another drill is under way"):
        run("storm", "--quick")
