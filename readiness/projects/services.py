"""Writes: projects, their requirements, and who may do what in them. Every change is audited with itself."""

import itertools
from dataclasses import asdict, dataclass

from django.db import IntegrityError, transaction
from django.utils.text import slugify

from readiness.accounts.models import User
from readiness.accounts.services import record_audit
from readiness.lib.money import format_usd
from readiness.projects.models import Category, Membership, Project, Role


class LastAdminError(Exception):
    """The change would leave a project without an admin."""

    def __init__(self) -> None:
        super().__init__("A project needs an admin: make somebody else admin first.")


class AlreadyMemberError(Exception):
    """The person is a member of the project already."""


@dataclass(frozen=True, kw_only=True)
class ProjectDetails:
    """What an admin sets about a project. Times in milliseconds, money in nano-dollars; None is no limit."""

    name: str
    category: Category
    use_case: str = ""
    description: str = ""
    latency_p95_ms: int | None = None
    ttft_p95_ms: int | None = None
    cost_per_request_nanos: int | None = None
    licence: str = ""
    region: str = ""


def create_project(*, actor: User, details: ProjectDetails) -> Project:
    """A new project with the actor as its admin."""
    with transaction.atomic():
        project = _insert(details)
        Membership.objects.create(project=project, user=actor, role=Role.ADMIN)
        record_audit(
            actor=actor,
            action="project created",
            object_type="project",
            object_id=project.pk,
            object_label=project.name,
            project_slug=project.slug,
        )
    return project


def _insert(details: ProjectDetails) -> Project:
    """Inserts under the first slug that is free: ``name``, ``name-2``, ``name-3`` …"""
    base = slugify(details.name)[:50].strip("-") or "project"
    for number in itertools.count(1):
        slug = base if number == 1 else f"{base}-{number}"
        try:
            with transaction.atomic():
                return Project.objects.create(slug=slug, **asdict(details))
        except IntegrityError:
            if not Project.objects.filter(slug=slug).exists():
                raise
    raise AssertionError("unreachable")


def update_project(*, actor: User, project: Project, details: ProjectDetails) -> None:
    """Saves what differs; writes nothing when nothing does."""
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=project.pk)
        changes = {}
        for name, after in asdict(details).items():
            before = getattr(project, name)
            if before != after:
                label = "cost limit per request" if name == "cost_per_request_nanos" else _label(name)
                changes[label] = (_shown(name, before), _shown(name, after))
                setattr(project, name, after)
        if not changes:
            return
        project.save()
        record_audit(
            actor=actor,
            action="project changed",
            object_type="project",
            object_id=project.pk,
            object_label=project.name,
            project_slug=project.slug,
            changes=changes,
        )


def _label(field: str) -> str:
    return str(Project._meta.get_field(field).verbose_name)  # type: ignore[union-attr]


def _shown(field: str, value: object) -> object:
    """A value as the audit log shows it."""
    if field == "cost_per_request_nanos" and isinstance(value, int):
        return format_usd(value)
    return Category(str(value)).label if field == "category" else value


def add_member(*, actor: User, project: Project, user: User, role: Role) -> Membership:
    """Lets a person into the project. Raises AlreadyMemberError."""
    with transaction.atomic():
        membership, created = Membership.objects.get_or_create(
            project=project, user=user, defaults={"role": role}
        )
        if not created:
            raise AlreadyMemberError(f"{user.username} is a member already, as {membership.role}.")
        _record_member(actor, membership, "member added", None, role.value)
    return membership


def change_role(*, actor: User, membership: Membership, role: Role) -> None:
    """Raises LastAdminError when it would take the project's last admin away."""
    with transaction.atomic():
        before = _locked_role(membership)
        if before == role:
            return
        if before == Role.ADMIN:
            _refuse_last_admin(membership)
        membership.role = role
        membership.save(update_fields=["role"])
        _record_member(actor, membership, "role changed", before, role.value)


def remove_member(*, actor: User, membership: Membership) -> None:
    """What the person did stays. Raises LastAdminError when they are the project's last admin."""
    with transaction.atomic():
        before = _locked_role(membership)
        if before == Role.ADMIN:
            _refuse_last_admin(membership)
        _record_member(actor, membership, "member removed", before, None)
        membership.delete()


def _locked_role(membership: Membership) -> str:
    """The stored role; holds the project, so that two admins cannot take each other's role at once."""
    Project.objects.select_for_update().get(pk=membership.project_id)
    return Membership.objects.get(pk=membership.pk).role


def _refuse_last_admin(membership: Membership) -> None:
    admins = Membership.objects.filter(
        project=membership.project_id, role=Role.ADMIN, user__is_active=True
    ).exclude(pk=membership.pk)
    if not admins.exists():
        raise LastAdminError


def _record_member(
    actor: User, membership: Membership, action: str, before: str | None, after: str | None
) -> None:
    record_audit(
        actor=actor,
        action=action,
        object_type="membership",
        object_id=membership.pk,
        object_label=membership.user.username,
        project_slug=membership.project.slug,
        changes={"role": (before, after)},
    )
