"""What the import commands share: the project, the report of issues, refusals in plain words."""

from django.core.management.base import CommandError, CommandParser

from readiness.datasets.importers.base import Issue
from readiness.projects.models import Project

NAME_LENGTH = 100


def add_project(parser: CommandParser) -> None:
    parser.add_argument("--project", required=True, metavar="SLUG", help="slug of the project")
    parser.add_argument(
        "--create-project",
        action="store_true",
        help="make the project if it does not exist; until people are added only site admins see it",
    )


def find_project(slug: str, *, create: bool) -> Project:
    """The project. Raises CommandError, with the slugs that exist, where it is missing."""
    project = Project.objects.filter(slug=slug).first()
    if project:
        return project
    if create:
        return Project.objects.create(name=slug, slug=slug)
    known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)) or "none"
    raise CommandError(f"There is no project “{slug}”. Projects: {known}. Add --create-project to make it.")


def check_name(name: str) -> str:
    """The dataset's name. Raises CommandError for one that cannot be stored."""
    if not name.strip() or len(name) > NAME_LENGTH:
        raise CommandError(f"A dataset's name has 1 to {NAME_LENGTH} characters.")
    return name.strip()


def refusal(issues: list[Issue], total: int) -> CommandError:
    """The first issues, one per line, and how many there are."""
    shown = "\n".join(f"  {issue}" for issue in issues[:20])
    more = f"\n  and {total - 20:,} more" if total > 20 else ""
    return CommandError(f"Nothing was imported: {total:,} issue{'s' * (total != 1)}.\n{shown}{more}")
