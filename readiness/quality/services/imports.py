"""Production answers that were given elsewhere, read from JSON lines."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, BinaryIO, Final

from django.db import transaction
from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from readiness.inference.models import LoggedAnswer
from readiness.inference.services import log_answers
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.providers.queries import accounts_of

LONGEST_LINE: Final = 1_000_000
"""Bytes; a longer line is refused without being read as a whole."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class ImportRefusedError(Exception):
    """A line cannot be taken; ``str(error)`` names it and says why. Nothing was written."""


class AnswerLine(BaseModel):
    """One line of the file; ``model`` and ``deployment`` name the same thing by id or by name."""

    model_config = ConfigDict(extra="forbid")

    question: Text
    output: str
    at: AwareDatetime
    source: str = ""
    model: str = ""
    deployment: str = ""
    stratum: Annotated[str, StringConstraints(max_length=60)] = ""


@transaction.atomic
def import_answers(*, project: Project, file: BinaryIO) -> tuple[int, int]:
    """Writes all lines or none; returns (added, already there). Importing a file twice adds nothing.

    Raises ImportRefusedError.
    """
    before = project.logged_answers.count()
    total = 0
    deployments = _deployments(project)
    batch: list[LoggedAnswer] = []
    for number, line in _read(file):
        batch.append(_answer(project, line, deployments, number))
        if len(batch) == 500:
            total += log_answers(batch)
            batch = []
    total += log_answers(batch)
    added = project.logged_answers.count() - before
    return added, total - added


def _read(file: BinaryIO) -> Iterator[tuple[int, AnswerLine]]:
    for number, raw in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
        if len(raw) > LONGEST_LINE:
            raise ImportRefusedError(f"Line {number} is longer than {LONGEST_LINE:,} bytes.")
        if not raw.strip():
            continue
        try:
            yield number, AnswerLine.model_validate(json.loads(raw))
        except (ValueError, RecursionError) as error:
            raise ImportRefusedError(f"Line {number}: {_words(error)}") from error


def _words(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "it is not JSON in UTF-8."
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"])) or "the line"
    return f"{field}: {first['msg']}."


def _deployments(project: Project) -> Mapping[str, Deployment]:
    """By model id and by name; of two with one name the first."""
    known: dict[str, Deployment] = {}
    for deployment in Deployment.objects.filter(account__in=accounts_of(project)).select_related("account"):
        known.setdefault(deployment.name, deployment)
        known.setdefault(deployment.model, deployment)
    return known


def _answer(
    project: Project, line: AnswerLine, deployments: Mapping[str, Deployment], number: int
) -> LoggedAnswer:
    named = line.deployment or line.model
    deployment = deployments.get(named)
    if named and deployment is None:
        raise ImportRefusedError(
            f"Line {number}: the project knows no deployment “{named}”. Add it under Settings, Providers."
        )
    return LoggedAnswer(
        project=project,
        deployment=deployment,
        request_id=_fingerprint(project, line, line.at),
        at=line.at,
        question=line.question,
        source=line.source,
        stratum=line.stratum,
        output=line.output,
        simulated=deployment.account.simulated if deployment else False,
    )


def _fingerprint(project: Project, line: AnswerLine, at: datetime) -> str:
    """The same answer has the same id in every import; nothing else tells two imports of a file apart."""
    parts = [project.pk, at.isoformat(), line.deployment or line.model, line.question, line.output]
    return "import-" + sha256(json.dumps(parts).encode()).hexdigest()[:50]
