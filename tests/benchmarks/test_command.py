"""``manage.py benchmark`` as a person or CI calls it."""

import gzip
import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from readiness.benchmarks.management.commands.benchmark import BUDGET_SPENT, INCOMPLETE
from readiness.benchmarks.queries import results_of
from readiness.evaluations.models import Run, RunState
from readiness.lib.formats import format_percent
from readiness.lib.statistics import wilson
from readiness.projects.models import Project
from tests.builders import make_dataset
from tests.evaluations.support import make_recorded_run, make_run, priced

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]


def benchmark(*words: str) -> str:
    out = StringIO()
    call_command("benchmark", *words, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def recorded(project):
    """The name of a dataset with recorded outputs; the run that came with it is forgotten."""
    run = make_recorded_run(project)
    Run.objects.all().delete()
    return run.dataset_version.dataset.slug


def test_recorded_outputs_are_scored_and_printed_in_this_process(project, recorded):
    printed = benchmark("run", "--project", "handbook", "--dataset", recorded, "--recorded")
    assert Run.objects.get().state == RunState.DONE
    assert re.search(r"Contains the reference\s+100\.0", printed)
    assert "Hallucinated, by human label" in printed


def test_too_many_failures_exit_as_incomplete(project):
    run = make_recorded_run(project, missing=2)
    Run.objects.all().delete()
    with pytest.raises(SystemExit) as end:
        benchmark("run", "--project", "handbook", "--dataset", run.dataset_version.dataset.slug, "--recorded")
    assert end.value.code == INCOMPLETE


def test_a_spent_budget_has_an_exit_code_of_its_own(project):
    make_run(project)
    with pytest.raises(SystemExit) as end:
        benchmark(
            *("run", "--project", "handbook", "--dataset", "questions-1"),
            *("--deployments", "writer", "--prompt", "answer", "--budget", "0.000001"),
        )
    assert end.value.code == BUDGET_SPENT


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--project", "nowhere", "--dataset", "x", "--recorded"), "There are: handbook"),
        (("--project", "handbook", "--dataset", "nothing", "--recorded"), "There are: Questions v1"),
        (("--project", "handbook", "--dataset", "questions", "--recorded"), "no recorded outputs"),
        (("--project", "handbook", "--dataset", "questions", "--deployments", "gpt"), "writer"),
        (("--project", "handbook", "--dataset", "questions"), "Name the deployments"),
        (
            ("--project", "handbook", "--dataset", "questions", "--deployments", "writer", "--prompt", "p"),
            "no prompt",
        ),
    ],
)
def test_what_does_not_exist_is_answered_with_what_there_is(project, words, said):
    make_dataset(project)
    priced()
    with pytest.raises(CommandError, match=said) as error:
        benchmark("run", *words)
    assert error.value.returncode == 2


def test_list_and_show_find_a_run_again(project):
    run = make_run(project, name="Nightly")
    listed = benchmark("list", "--project", "handbook")
    assert str(run.id) in listed
    assert "Nightly" in listed
    run.cells.update(state="done", latency_ms=5)
    assert "Latency" in benchmark("show", str(run.id)[:8])


def test_show_asks_for_more_when_no_run_begins_so(project):
    with pytest.raises(CommandError, match="0 runs"):
        benchmark("show", "ffff")


@pytest.mark.shared_data
def test_rates_of_recorded_ragtruth_outputs_equal_a_direct_count(db, shared_data):
    responses = shared_data / "outputs" / "ragtruth_qa_responses.jsonl.gz"
    sources = shared_data / "outputs" / "ragtruth_qa_sources.jsonl.gz"
    call_command(
        *("import_outputs", str(responses), "--project", "demo", "--create-project"),
        *("--format", "ragtruth", "--sources", str(sources)),
        stdout=StringIO(),
    )
    printed = benchmark(
        *("run", "--project", "demo", "--dataset", "ragtruth_qa", "--recorded"),
        *("--scorers", "unsupported_details"),
    )
    run = Run.objects.get(project=Project.objects.get(slug="demo"))
    models = dict(run.deployments.values_list("pk", "model"))
    measured = {models[arm.deployment_id]: arm.human for arm in results_of(run).arms}
    counted = count_labels(responses)
    assert len(counted) == 4
    for model, (found, total) in counted.items():
        interval = wilson(found, total)
        assert measured[model].n == total == 839
        assert measured[model].value == pytest.approx(found / total)
        assert (measured[model].low, measured[model].high) == (interval.low, interval.high)
        assert format_percent(interval.low) in printed


def count_labels(path):
    """Model to (outputs with a human finding, outputs), straight from the file."""
    counted: dict[str, list[int]] = {}
    with gzip.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            counts = counted.setdefault(row["model"], [0, 0])
            counts[0] += bool(row["labels"])
            counts[1] += 1
    return {model: tuple(counts) for model, counts in counted.items()}
