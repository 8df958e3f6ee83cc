"""What the command line names, found in the database; errors list what there is instead."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from readiness.benchmarks.services import BenchmarkPlan, applicable_scorers
from readiness.datasets.models import DatasetVersion
from readiness.datasets.queries import recorded_models
from readiness.datasets.queries import versions_of as dataset_versions
from readiness.evaluations.models import Run
from readiness.lib.money import nanos
from readiness.projects.models import Project
from readiness.prompts.models import PromptVersion
from readiness.prompts.queries import versions_of as prompt_versions
from readiness.providers.models import Deployment, ProviderKind
from readiness.providers.queries import deployments_of
from readiness.scorers.registry import SCORERS


class ChoiceError(Exception):
    """Something was named that does not exist, or that does not fit."""


def find_project(slug: str) -> Project:
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        known = Project.objects.values_list("slug", flat=True)
        raise ChoiceError(f"There is no project “{slug}”. {_known(known)}")
    return project


def find_run(prefix: str) -> Run:
    """The run whose id begins with the given characters."""
    matches = [run for run in Run.objects.order_by("-created_at") if str(run.id).startswith(prefix.lower())]
    if len(matches) != 1:
        raise ChoiceError(f"{len(matches)} runs have an id that begins with “{prefix}”; give more of it.")
    return matches[0]


def find_plan(options: dict[str, Any]) -> BenchmarkPlan:
    """The plan that the options of ``benchmark run`` describe."""
    project = find_project(options["project"])
    version = _dataset_version(project, options["dataset"])
    deployments = (
        _recorded(project, version) if options["recorded"] else _named(project, options["deployments"])
    )
    judge = _named(project, options["judge"])[0] if options["judge"] else None
    if options["trials"] < 1:
        raise ChoiceError("--trials must be at least 1.")
    return BenchmarkPlan(
        project=project,
        name=options["name"] or f"{version.dataset.name}, {timezone.now():%-d %b %Y %H:%M}",
        dataset_version=version,
        deployments=deployments,
        prompt_version=None if options["recorded"] else _prompt_version(project, options["prompt"]),
        scorers=_scorers(options["scorers"], version, with_judge=judge is not None),
        judge=judge,
        trials=options["trials"],
        budget_nanos=_budget(options["budget"]),
    )


def _dataset_version(project: Project, named: str) -> DatasetVersion:
    name, number = _split(named)
    versions = [v for v in dataset_versions(project) if name in (v.dataset.name, v.dataset.slug)]
    for version in versions:
        if number in (None, version.number):
            return version
    raise ChoiceError(
        f"There is no dataset “{named}”. {_known(str(version) for version in dataset_versions(project))}"
    )


def _prompt_version(project: Project, named: str) -> PromptVersion:
    name, number = _split(named)
    for version in prompt_versions(project):
        if name in (version.prompt.name, version.prompt.slug) and number in (None, version.number):
            return version
    raise ChoiceError(f"There is no prompt “{named}”. {_known(str(v) for v in prompt_versions(project))}")


def _recorded(project: Project, version: DatasetVersion) -> list[Deployment]:
    """The deployments that stand for the models with recorded outputs on the version."""
    models = recorded_models(version)
    found = deployments_of(project).filter(account__kind=ProviderKind.RECORDED, model__in=models)
    if not found:
        raise ChoiceError(f"{version} has no recorded outputs. Import some with manage.py import_outputs.")
    return list(found)


def _named(project: Project, names: str) -> list[Deployment]:
    usable = list(deployments_of(project))
    chosen = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        matches = [deployment for deployment in usable if name in (deployment.name, deployment.model)]
        if not matches:
            raise ChoiceError(f"There is no deployment “{name}”. {_known(d.name for d in usable)}")
        chosen.append(matches[0])
    if not chosen:
        raise ChoiceError(f"Name the deployments, or use --recorded. {_known(d.name for d in usable)}")
    return chosen


def _scorers(named: str, version: DatasetVersion, *, with_judge: bool) -> list[str]:
    chosen = [part.strip() for part in named.split(",") if part.strip()]
    for name in chosen:
        if name not in SCORERS:
            raise ChoiceError(f"There is no scorer “{name}”. {_known(SCORERS)}")
    return chosen or applicable_scorers(version, with_judge=with_judge)


def _budget(text: str) -> int | None:
    if not text:
        return None
    try:
        return nanos(text)
    except ArithmeticError as error:
        raise ChoiceError(f"--budget must be a number of US dollars, not “{text}”.") from error


def _split(named: str) -> tuple[str, int | None]:
    """``NAME@3`` as name and version number; a name may hold an @ itself."""
    name, _, number = named.rpartition("@")
    return (name, int(number)) if name and number.isdigit() else (named, None)


def _known(names: Any) -> str:
    listed: Sequence[str] = sorted(names)
    return f"There are: {', '.join(listed)}." if listed else "There is none yet."
