"""RQ entry point of the demo."""

import asyncio
import logging
from random import SystemRandom

from django.conf import settings
from django.utils import timezone

from readiness.demo.services import ask_a_few
from readiness.demo.traffic import product_of
from readiness.projects.models import Project
from readiness.providers.base import ProviderError

logger = logging.getLogger(__name__)


def trickle() -> None:
    """A few customers ask the demo's product. Trouble is told in one line: a demo must not fill the log."""
    project = Project.objects.filter(is_demo=True).first() if settings.DEMO else None
    if project is None:
        return
    try:
        product = product_of(project, timezone.now())
    except ProviderError as error:
        logger.warning("The demo's customers cannot ask: %s", error)
        return
    if product is None:
        return
    failures = asyncio.run(ask_a_few(product, random=SystemRandom(), clock=timezone.now))
    if failures:
        logger.warning("%d of the demo's customers got no answer: %s", len(failures), failures[0])
