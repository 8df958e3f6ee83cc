"""Import of outputs that models gave elsewhere, with the human labels they came with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.datasets.importers.base import (
    ExampleDraft,
    ImportRefusedError,
    IssueLog,
    OutputDraft,
    Recording,
)
from readiness.datasets.models import Dataset, DatasetVersion, RecordedOutput
from readiness.datasets.queries import latest_version
from readiness.datasets.services.versions import BATCH, draft_of, freeze, obtain_dataset
from readiness.projects.models import Project
from readiness.providers.models import Deployment, ProviderAccount, ProviderKind

ACCOUNT_NAME = "Recorded outputs"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedImport:
    """What an import of recorded outputs changed."""

    version: DatasetVersion
    version_created: bool
    outputs_added: int
    outputs_present: int
    """Outputs of the files that were there already."""
    models: list[str]


@transaction.atomic
def import_recorded_outputs(
    *, project: Project, dataset_name: str, recording: Recording, provenance: str, by: User | None = None
) -> RecordedImport:
    """Examples, outputs, and one deployment per model of the account “Recorded outputs”.

    Where the dataset's newest version lacks some of the examples, a new version holds both, and carries the
    outputs of the newest one. Repeating an import adds nothing. Raises ImportRefusedError, and writes
    nothing, for any issue: a recording with holes would bias every rate that is computed from it.
    """
    if recording.log.total:
        raise ImportRefusedError(recording.log)
    dataset = obtain_dataset(project, dataset_name)
    version, created = _version_with(dataset, recording, provenance, by)
    added = _add_outputs(version, recording)
    _add_deployments(project, recording.models, recording.log)
    if added:
        record_audit(
            actor=by,
            action="recorded outputs imported",
            object_type="dataset",
            object_id=dataset.pk,
            object_label=str(version),
            project_slug=project.slug,
            changes={"recorded outputs": (len(recording.outputs) - added, len(recording.outputs))},
        )
    return RecordedImport(
        version=version,
        version_created=created,
        outputs_added=added,
        outputs_present=len(recording.outputs) - added,
        models=recording.models,
    )


def _version_with(
    dataset: Dataset, recording: Recording, provenance: str, by: User | None
) -> tuple[DatasetVersion, bool]:
    """(a version that holds every example of the recording, whether it is new)."""
    latest = latest_version(dataset)
    known = {example.uid: draft_of(example) for example in latest.examples.all()} if latest else {}
    _check_examples(recording, known, dataset)
    new = [draft for uid, draft in recording.examples.items() if uid not in known]
    if latest and not new:
        return latest, False
    version, created = freeze(dataset=dataset, drafts=[*known.values(), *new], provenance=provenance, by=by)
    if latest and created:
        _carry_outputs(latest, version)
    return version, created


def _check_examples(recording: Recording, known: Mapping[str, ExampleDraft], dataset: Dataset) -> None:
    log = recording.log
    for uid, draft in recording.examples.items():
        if uid in known and known[uid].canonical() != draft.canonical():
            text = f"The example “{uid}” differs from the one in {dataset.name}; use another dataset name."
            log.add(draft.row, "id", text)
    for output in recording.outputs:
        if output.uid not in recording.examples and output.uid not in known:
            text = f"No example “{output.uid}” in {dataset.name}, and the row has no question."
            log.add(output.row, "id", text)
    if log.total:
        raise ImportRefusedError(log)


def _carry_outputs(old: DatasetVersion, new: DatasetVersion) -> None:
    example_ids = dict(new.examples.values_list("uid", "id"))
    outputs = list(RecordedOutput.objects.filter(example__version=old).select_related("example"))
    for output in outputs:
        output.example_id = example_ids[output.example.uid]
        output.pk = None
    RecordedOutput.objects.bulk_create(outputs, batch_size=BATCH)


def _add_outputs(version: DatasetVersion, recording: Recording) -> int:
    """Adds the outputs that the version lacks and returns their number."""
    example_ids = dict(version.examples.values_list("uid", "id"))
    present = {
        (row.example_id, row.model, row.trial): row
        for row in RecordedOutput.objects.filter(example__version=version, model__in=recording.models)
    }
    new = []
    for output in recording.outputs:
        row = present.get((example_ids[output.uid], output.model, output.trial))
        if row is None:
            new.append(_row(example_ids[output.uid], output))
        elif (row.text, row.hallucinated, row.spans) != (output.text, output.hallucinated, output.spans):
            text = f"Another answer or label of {output.model}, trial {output.trial}, is already stored."
            recording.log.add(output.row, "output", f"{text} Give this one another trial number.")
    if recording.log.total:
        raise ImportRefusedError(recording.log)
    RecordedOutput.objects.bulk_create(new, batch_size=BATCH)
    return len(new)


def _row(example_id: int, output: OutputDraft) -> RecordedOutput:
    return RecordedOutput(
        example_id=example_id,
        model=output.model,
        trial=output.trial,
        external_id=output.external_id,
        text=output.text,
        hallucinated=output.hallucinated,
        spans=output.spans,
        latency_ms=output.latency_ms,
        metadata=dict(output.metadata),
    )


def _add_deployments(project: Project, models: Sequence[str], log: IssueLog) -> None:
    """One deployment per model, so that a run can replay it; it has no quota because it calls nobody."""
    account, _ = ProviderAccount.objects.get_or_create(
        project=project, name=ACCOUNT_NAME, defaults={"kind": ProviderKind.RECORDED}
    )
    if account.kind != ProviderKind.RECORDED:
        log.stop(0, f"A provider account is named “{ACCOUNT_NAME}”; rename it, this name is needed here.")
        raise ImportRefusedError(log)
    for model in models:
        Deployment.objects.get_or_create(account=account, model=model, defaults={"name": model[:100]})
