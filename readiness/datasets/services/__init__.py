"""Writes of datasets. A version, once made, never changes; recorded outputs may be added to it."""

from readiness.datasets.services.deletion import DatasetInUseError, delete_dataset
from readiness.datasets.services.examples import ExampleImport, Preview, dry_run, import_examples
from readiness.datasets.services.recorded import RecordedImport, import_recorded_outputs
from readiness.datasets.services.versions import content_sha256

__all__ = [
    "DatasetInUseError",
    "ExampleImport",
    "Preview",
    "RecordedImport",
    "content_sha256",
    "delete_dataset",
    "dry_run",
    "import_examples",
    "import_recorded_outputs",
]
