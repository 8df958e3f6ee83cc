"""What the import commands share: the project, the report of issues, refusals in plain words."""

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.core.validators import validate_slug

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


def check_project(slug: str, *, create: bool) -> None:
    """Raises CommandError, with the slugs that exist, for a project that is missing and not to be made."""
    if create or Project.objects.filter(slug=slug).exists():
        return
    known = ", ".join(Project.objects.order_by("slug").values_list("slug", flat=True)) or "none"
    raise CommandError(f"There is no project “{slug}”. Projects: {known}. Add --create-project to make it.")


def obtain_project(slug: str) -> Project:
    """The project, made where it is missing; ``check_project`` has said that this is wanted."""
    try:
        validate_slug(slug)
    except ValidationError as error:
        raise CommandError("A project's slug has letters, digits, hyphens and underscores only.") from error
    return Project.objects.get_or_create(slug=slug, defaults={"name": slug})[0]


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
