"""Datasets by name, and their versions by content."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from django.db.models import Max
from django.utils.text import slugify

from readiness.accounts.models import User
from readiness.datasets.importers.base import ExampleDraft
from readiness.datasets.models import Dataset, DatasetVersion, Example
from readiness.datasets.queries import dataset_named
from readiness.projects.models import Project

BATCH = 1000
"""Rows per INSERT."""
RESERVED_SLUGS = {"import"}
"""Words that the addresses of pages use in the place of a dataset's slug."""


def content_sha256(drafts: Iterable[ExampleDraft]) -> str:
    """SHA-256 of the canonical JSONL: one line per example, keys sorted, lines in the order of uid.

    The order of rows in a file and of keys in a row is not content: shuffling them changes nothing.
    """
    digest = hashlib.sha256()
    for draft in sorted(drafts, key=lambda draft: draft.uid):
        digest.update(f"{draft.canonical()}\n".encode())
    return digest.hexdigest()


def obtain_dataset(project: Project, name: str) -> Dataset:
    """The project's dataset with this name or slug, locked until the end of the transaction, or a new one."""
    dataset = dataset_named(project, name)
    if dataset is None:
        dataset = Dataset.objects.create(project=project, name=name, slug=_free_slug(project, name))
    return Dataset.objects.select_for_update().get(pk=dataset.pk)


def _free_slug(project: Project, name: str) -> str:
    base = slugify(name)[:50] or "dataset"
    taken = RESERVED_SLUGS | set(Dataset.objects.filter(project=project).values_list("slug", flat=True))
    slug, number = base, 2
    while slug in taken:
        slug, number = f"{base}-{number}", number + 1
    return slug


def freeze(
    *, dataset: Dataset, drafts: Sequence[ExampleDraft], provenance: str, by: User | None
) -> tuple[DatasetVersion, bool]:
    """(the version with this content, whether it is new). The caller holds the dataset's lock."""
    sha256 = content_sha256(drafts)
    if existing := dataset.versions.filter(sha256=sha256).first():
        return existing, False
    last: int = dataset.versions.aggregate(last=Max("number"))["last"] or 0
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=last + 1,
        sha256=sha256,
        example_count=len(drafts),
        strata=dict(Counter(draft.stratum for draft in drafts).most_common()),
        provenance=provenance[:300],
        created_by=by,
    )
    Example.objects.bulk_create(
        (_example(version, position, draft) for position, draft in enumerate(drafts)), batch_size=BATCH
    )
    return version, True


def _example(version: DatasetVersion, position: int, draft: ExampleDraft) -> Example:
    return Example(
        version=version,
        uid=draft.uid,
        position=position,
        question=draft.question,
        source=draft.source,
        reference=draft.reference,
        stratum=draft.stratum,
        metadata=dict(draft.metadata),
    )


def draft_of(example: Example) -> ExampleDraft:
    """A stored example as a draft again, to compare it or to carry it into the next version."""
    return ExampleDraft(
        row=0,
        uid=example.uid,
        question=example.question,
        source=example.source,
        reference=example.reference,
        stratum=example.stratum,
        metadata=example.metadata,
    )
