"""What evidence is gathered about: a project, what it intends to ship, and the moment."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from readiness.accounts.queries import last_change
from readiness.checklist.catalogue.schema import FingerprintKey
from readiness.checklist.fingerprints import MODEL_FIELDS, fingerprint_of
from readiness.checklist.models import Target
from readiness.evaluations.models import Run
from readiness.evaluations.queries import finished_runs
from readiness.projects.models import Project
from readiness.providers.models import Deployment

_RUNS = 50
"""Newest runs that are looked at; older ones are about products long gone."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What several producers ask for is read once."""

    project: Project
    target: Target
    now: datetime

    @property
    def deployment(self) -> Deployment | None:
        return self.target.deployment

    @property
    def prompt_hash(self) -> str:
        """Empty for a product without a prompt of ours, such as recorded outputs."""
        return self.target.prompt_version.content_hash if self.target.prompt_version else ""

    @property
    def simulated(self) -> bool:
        return self.deployment is not None and self.deployment.account.simulated

    @cached_property
    def fingerprint(self) -> dict[FingerprintKey, str]:
        """What would be shipped now."""
        return fingerprint_of(self.target, self.now.date())

    def only(self, *keys: FingerprintKey) -> dict[FingerprintKey, str]:
        """The part of the current fingerprint that a measurement of right now rests on."""
        return {key: self.fingerprint[key] for key in keys if key in self.fingerprint}

    @cached_property
    def model_since(self) -> datetime | None:
        """When the target's model was last changed under the same name; None when it never was.

        The deployment's row knows only what it is now, so older answers are not evidence about it.
        """
        if self.deployment is None:
            return None
        objects = [("deployment", self.deployment.pk), ("provider account", self.deployment.account_id)]
        return last_change(objects, MODEL_FIELDS)

    @cached_property
    def runs(self) -> list[Run]:
        """Finished runs in which the target's deployment took part, newest first."""
        if self.deployment is None:
            return []
        runs = finished_runs(self.project).filter(deployments=self.deployment)
        return list(runs.prefetch_related("deployments")[:_RUNS])
