"""Periodic work of the checklist."""

import logging

from django.utils import timezone

from readiness.checklist.services import gather_evidence
from readiness.projects.models import Project

logger = logging.getLogger(__name__)


def gather_all_evidence() -> None:
    """Measures what is new in every project; one project's failure does not keep the others waiting."""
    for project in Project.objects.all():
        try:
            gather_evidence(project, timezone.now())
        except Exception:
            logger.exception("Evidence of project %s could not be gathered.", project.slug)
