import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from readiness.accounts.models import AuditEntry
from readiness.datasets.importers import ragtruth, recorded
from readiness.datasets.importers.base import ImportRefusedError
from readiness.datasets.models import DatasetVersion, RecordedOutput
from readiness.datasets.queries import labels_by_model, recorded_models
from readiness.datasets.services import import_recorded_outputs
from readiness.providers.models import Deployment, ProviderAccount, ProviderKind
from tests.datasets.files import ragtruth_files, recorded_row, write_jsonl


def bring(project, recording):
    return import_recorded_outputs(
        project=project, dataset_name="answers", recording=recording, provenance="answers.jsonl"
    )


@pytest.fixture
def bring_rows(project, tmp_path):
    """Imports rows of the plain format."""
    return lambda *rows: bring(project, recorded.read(write_jsonl(tmp_path / "answers.jsonl", rows)))


def test_import_brings_examples_outputs_and_labels(project, tmp_path):
    result = bring(project, ragtruth.read(*ragtruth_files(tmp_path)))
    assert (result.version.example_count, result.outputs_added, result.models) == (2, 3, ["a", "b"])
    output = RecordedOutput.objects.get(model="b")
    assert (output.example.uid, output.hallucinated, output.external_id) == ("s1", True, "r2")


def test_import_makes_one_deployment_per_model_without_quota(project, tmp_path):
    bring(project, ragtruth.read(*ragtruth_files(tmp_path)))
    account = ProviderAccount.objects.get(project=project)
    assert (account.name, account.kind) == ("Recorded outputs", ProviderKind.RECORDED)
    rows = account.deployments.values_list("name", "model", "rpm", "tpm", "rpd", "concurrency")
    assert list(rows) == [("a", "a", None, None, None, None), ("b", "b", None, None, None, None)]


def test_second_import_of_the_same_files_adds_nothing(project, tmp_path):
    for _ in range(2):
        result = bring(project, ragtruth.read(*ragtruth_files(tmp_path)))
    assert (result.outputs_added, result.outputs_present, result.version_created) == (0, 3, False)
    assert (DatasetVersion.objects.count(), RecordedOutput.objects.count()) == (1, 3)
    assert (Deployment.objects.count(), AuditEntry.objects.count()) == (2, 1)


def test_another_model_is_added_to_the_same_version(bring_rows):
    first = bring_rows(recorded_row())
    second = bring_rows({"id": "q1", "model": "large", "output": "Two years."})
    assert (second.version, second.outputs_added) == (first.version, 1)
    assert recorded_models(first.version) == ["large", "small"]


def test_new_example_makes_a_version_that_carries_the_earlier_outputs(bring_rows):
    bring_rows(recorded_row())
    result = bring_rows(recorded_row(), recorded_row(id="q2", question="Who?"))
    assert (result.version.number, result.version.example_count) == (2, 2)
    assert (result.outputs_added, result.outputs_present) == (1, 1)
    assert [row.outputs for row in labels_by_model(result.version)] == [2]


def test_other_answer_under_the_same_trial_is_refused(bring_rows):
    bring_rows(recorded_row())
    with pytest.raises(ImportRefusedError) as caught:
        bring_rows(recorded_row(output="Three."))
    assert "Another answer or label of small, trial 1" in str(caught.value.log.shown[0])
    assert RecordedOutput.objects.get().text == "Two."


def test_example_that_differs_from_the_stored_one_is_refused(bring_rows):
    bring_rows(recorded_row())
    with pytest.raises(ImportRefusedError) as caught:
        bring_rows(recorded_row(source="Three years.", model="large"))
    assert "differs from the one in answers" in str(caught.value.log.shown[0])


def test_id_that_nothing_tells_about_is_refused(bring_rows):
    with pytest.raises(ImportRefusedError) as caught:
        bring_rows(recorded_row(), {"id": "q9", "model": "small", "output": "?"})
    assert (caught.value.log.shown[0].row, DatasetVersion.objects.count()) == (2, 0)


def test_account_of_another_kind_with_the_same_name_is_refused(project, bring_rows):
    ProviderAccount.objects.create(project=project, name="Recorded outputs", kind=ProviderKind.OPENAI)
    with pytest.raises(ImportRefusedError, match="1 issue"):
        bring_rows(recorded_row())
    assert not RecordedOutput.objects.exists()


def test_labels_are_counted_by_model(bring_rows):
    rows = [
        recorded_row(id=f"q{n}", question=f"{n}?", hallucinated=label) for n, label in enumerate([1, 0, None])
    ]
    (row,) = labels_by_model(bring_rows(*rows).version)
    assert (row.outputs, row.labelled, row.hallucinated, row.share) == (3, 2, 1, 0.5)


def test_writes_are_batched(project, bring_rows):
    rows = [recorded_row(id=f"q{n}", question=f"{n}?") for n in range(400)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        bring_rows(*rows)
    assert len(queries) < 60


@pytest.mark.shared_data
def test_real_answers_are_stored_with_the_labels_of_the_file(project, shared_data):
    folder = shared_data / "outputs"
    recording = ragtruth.read(
        folder / "ragtruth_qa_responses.jsonl.gz", folder / "ragtruth_qa_sources.jsonl.gz"
    )
    result = bring(project, recording)
    assert (result.outputs_added, result.version.example_count) == (3356, 839)
    assert {row.model: (row.labelled, row.hallucinated) for row in labels_by_model(result.version)} == {
        "llama-2-7b-chat": (839, 458),
        "llama-2-13b-chat": (839, 363),
        "llama-2-70b-chat": (839, 285),
        "mistral-7B-instruct": (839, 347),
    }
    assert bring(project, recording).outputs_added == 0
