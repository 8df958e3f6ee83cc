"""Deletion of whole datasets."""

from django.db import transaction
from django.db.models import RestrictedError

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.datasets.models import Dataset


class DatasetInUseError(Exception):
    """A run measured a version of the dataset; without its examples the result could not be checked."""


@transaction.atomic
def delete_dataset(*, dataset: Dataset, by: User | None) -> None:
    """Deletes the dataset with its versions, examples and recorded outputs, and says so in the audit log.

    Raises DatasetInUseError, and deletes nothing, when anything of it is used elsewhere.
    """
    record_audit(
        actor=by,
        action="dataset deleted",
        object_type="dataset",
        object_id=dataset.pk,
        object_label=dataset.name,
        project_slug=dataset.project.slug,
    )
    try:
        with transaction.atomic():
            dataset.delete()
    except RestrictedError as error:
        raise DatasetInUseError(f"A run uses “{dataset.name}”, so it stays.") from error
