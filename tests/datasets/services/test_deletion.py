import pytest

from readiness.accounts.models import AuditEntry
from readiness.datasets.models import Dataset, Example
from readiness.datasets.queries import is_used
from readiness.datasets.services import DatasetInUseError, delete_dataset
from readiness.evaluations.models import Run
from tests.builders import make_dataset


@pytest.fixture
def dataset(project):
    return make_dataset(project).dataset


def use(dataset):
    Run.objects.create(project=dataset.project, name="Run", dataset_version=dataset.versions.get())


def test_delete_takes_the_examples_along_and_is_audited(dataset, bob):
    delete_dataset(dataset=dataset, by=bob)
    assert not Dataset.objects.exists()
    assert not Example.objects.exists()
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.object_label) == (bob, "dataset deleted", "Questions")


def test_delete_refuses_what_a_run_uses(dataset, bob):
    use(dataset)
    with pytest.raises(DatasetInUseError, match="A run uses"):
        delete_dataset(dataset=dataset, by=bob)
    assert dataset.versions.get().examples.count() == 3
    assert not AuditEntry.objects.exists()


def test_is_used_sees_runs(dataset):
    assert is_used(dataset) is False
    use(dataset)
    assert is_used(dataset) is True
