"""``manage.py import_answers``: a team's own production answers, one JSON object per line."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from readiness.projects.models import Project
from readiness.quality.services.imports import ImportRefusedError, import_answers


class Command(BaseCommand):
    """Checks the whole file first; writes all of it or nothing."""

    help = (
        "Imports production answers for spot-checks. Each line is a JSON object with question, output and at "
        "(ISO 8601 with a zone), and may have source, model or deployment (its name), and stratum."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--project", required=True, help="slug of the project")
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project “{options['project']}”.")
        try:
            with options["file"].open("rb") as file:
                added, known = import_answers(project=project, file=file)
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        except ImportRefusedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{added} answers imported, {known} were there already.")
