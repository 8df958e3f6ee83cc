"""``manage.py import_dataset --project P FILE``: examples from JSONL or CSV as a frozen version."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize

from readiness.datasets.importers.base import ImportRefusedError
from readiness.datasets.importers.files import ENDINGS, format_of
from readiness.datasets.importers.mapping import USUAL_NAMES, FieldMapping, guess
from readiness.datasets.management import arguments
from readiness.datasets.services import Preview, dry_run, import_examples


class Command(BaseCommand):
    help = "Imports examples from a JSONL or CSV file as a frozen version of a dataset."

    def add_arguments(self, parser: CommandParser) -> None:
        arguments.add_project(parser)
        parser.add_argument("file", type=Path, help=f"ends in {', '.join(ENDINGS)}, or one of these with .gz")
        parser.add_argument("--dataset", default="", metavar="NAME", help="default: the file's name")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="FIELD=COLUMN",
            help=f"column of a field ({', '.join(USUAL_NAMES)}); default: guessed from the columns' names",
        )
        parser.add_argument(
            "--leave-out-bad-rows", action="store_true", help="import the rows without issues"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be imported")

    def handle(self, *args: Any, **options: Any) -> None:
        arguments.check_project(options["project"], create=options["create_project"])
        path: Path = options["file"]
        file_format = format_of(path.name)
        if file_format is None:
            raise CommandError(f"{path.name}: the file's name must end in {', '.join(ENDINGS)} (or .gz).")
        name = arguments.check_name(options["dataset"] or path.name.split(".")[0])
        preview = dry_run(path, file_format)
        mapping = _mapping(options["map"], preview.columns)
        if options["map"]:
            preview = dry_run(path, file_format, mapping)
        if options["dry_run"]:
            self._report(preview)
            return
        project = arguments.obtain_project(options["project"])
        try:
            result = import_examples(
                project=project,
                dataset_name=name,
                path=path,
                file_format=file_format,
                mapping=mapping,
                leave_out_bad_rows=options["leave_out_bad_rows"],
            )
        except ImportRefusedError as error:
            raise arguments.refusal(error.log.shown, error.log.total) from error
        verb = "Imported" if result.created else "Nothing new: the same content is already"
        count = f"{result.version.example_count:,} examples"
        self.stdout.write(f"{verb} {result.version}: {count}, sha256 {result.version.sha256[:12]}.")
        if result.left_out:
            self.stdout.write(f"Left out {result.left_out:,} row{pluralize(result.left_out)} with issues.")

    def _report(self, preview: Preview) -> None:
        mapped = ", ".join(f"{field} from “{column}”" for field, column in preview.mapping.columns().items())
        self.stdout.write(
            f"{preview.rows_ok:,} rows can be imported: {mapped or 'no column was recognised'}."
        )
        self.stdout.write(f"{preview.issue_total:,} issues. Nothing was written.")
        for issue in preview.issues[:20]:
            self.stdout.write(f"  {issue}")


def _mapping(pairs: list[str], columns: list[str]) -> FieldMapping:
    """The guess, with what the command line says instead. Raises CommandError for an unknown field."""
    chosen = guess(columns).columns()
    for pair in pairs:
        field, separator, column = pair.partition("=")
        if not separator or field not in USUAL_NAMES:
            raise CommandError(f"--map {pair}: write FIELD=COLUMN with one of {', '.join(USUAL_NAMES)}.")
        chosen[field] = column
    return FieldMapping(**chosen)
