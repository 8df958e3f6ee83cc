"""``manage.py import_outputs``: answers that models gave elsewhere, with their human labels.

``--format ragtruth RESPONSES --sources SOURCES`` or ``--format jsonl FILE``; see docs/datasets.md.
"""

from pathlib import Path
from shlex import quote
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from readiness.datasets.importers import ragtruth, recorded
from readiness.datasets.importers.base import ImportRefusedError, Recording
from readiness.datasets.management import arguments
from readiness.datasets.services import RecordedImport, import_recorded_outputs


class Command(BaseCommand):
    help = "Imports recorded outputs of models, so that a benchmark can score them without calling anybody."

    def add_arguments(self, parser: CommandParser) -> None:
        arguments.add_project(parser)
        parser.add_argument("--format", required=True, choices=["jsonl", "ragtruth"])
        parser.add_argument("outputs", type=Path, metavar="FILE", help="the recorded outputs; may be gzip")
        parser.add_argument("--sources", type=Path, help="ragtruth: the file of sources; may be gzip")
        parser.add_argument("--dataset", default="", metavar="NAME", help="default: the file's name")
        parser.add_argument("--dry-run", action="store_true", help="say what would be imported")

    def handle(self, *args: Any, **options: Any) -> None:
        arguments.check_project(options["project"], create=options["create_project"])
        path: Path = options["outputs"]
        name = arguments.check_name(options["dataset"] or path.name.split(".")[0].removesuffix("_responses"))
        recording = _read(options["format"], path, options["sources"])
        if recording.log.total:
            raise arguments.refusal(recording.log.shown, recording.log.total)
        if options["dry_run"]:
            self.stdout.write(f"{_counts(recording)} can be imported. Nothing was written.")
            return
        project = arguments.obtain_project(options["project"])
        try:
            result = import_recorded_outputs(
                project=project,
                dataset_name=name,
                recording=recording,
                provenance=f"{path.name} ({options['format']}): {_counts(recording)}",
            )
        except ImportRefusedError as error:
            raise arguments.refusal(error.log.shown, error.log.total) from error
        self._report(result, recording)
        dataset = result.version.dataset.slug
        self.stdout.write("Score them:")
        self.stdout.write(
            f"  python manage.py benchmark run --project {quote(project.slug)} --dataset {dataset} --recorded"
        )

    def _report(self, result: RecordedImport, recording: Recording) -> None:
        if result.outputs_added:
            made = "new version" if result.version_created else "existing version"
            self.stdout.write(f"Imported {_counts(recording)} into the {made} {result.version}.")
            if result.outputs_present:
                self.stdout.write(f"{result.outputs_present:,} of the outputs were there already.")
        else:
            self.stdout.write(f"Nothing new: {result.version} already holds {_counts(recording)}.")
        for model in result.models:
            outputs = [output for output in recording.outputs if output.model == model]
            labelled = [output for output in outputs if output.hallucinated is not None]
            found = sum(bool(output.hallucinated) for output in labelled)
            people = f", {found:,} of {len(labelled):,} labelled hallucinated by people" if labelled else ""
            self.stdout.write(f"  {model}: {len(outputs):,} outputs{people}")


def _read(file_format: str, path: Path, sources: Path | None) -> Recording:
    if file_format == "jsonl":
        if sources:
            raise CommandError("--sources belongs to the ragtruth format; jsonl rows hold their own source.")
        return recorded.read(path)
    if sources is None:
        raise CommandError("The ragtruth format needs --sources FILE: the questions and passages.")
    return ragtruth.read(path, sources)


def _counts(recording: Recording) -> str:
    examples = len({output.uid for output in recording.outputs})
    return f"{len(recording.outputs):,} outputs of {len(recording.models)} models on {examples:,} examples"
