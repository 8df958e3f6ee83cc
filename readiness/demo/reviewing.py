"""A few verdicts in the review queue, drawn from the simulated AI service's own ledger: nobody reads them.

They take as long as they take, so the checklist sees at once that no person took the time.
"""

from collections.abc import Mapping
from typing import Final

from django.db import transaction
from django.utils import timezone

from readiness.accounts.models import User
from readiness.demo.content import questions
from readiness.inference.models import LoggedAnswer
from readiness.projects.models import Project
from readiness.reviews.models import Reason, ReviewItem, Verdict
from readiness.reviews.services import claim_next, decide, skip

VERDICTS: Final = 10
_BY_THE_SEED: Final = "Written when the demo was made, from the simulated AI service's ledger: "
_ABSTAINED: Final = "does not say"


@transaction.atomic
def decide_some(
    *, project: Project, reviewer: User, alterations: Mapping[str, Mapping[str, str] | None]
) -> int:
    """Decides the first items of the queue whose answers are in the ledger; returns how many.

    ``alterations``: request id of an attempt to what was invented in its answer. All or nothing.
    """
    decided = 0
    while decided < VERDICTS and (
        lease := claim_next(project=project, reviewer=reviewer, now=timezone.now())
    ):
        request_id = _request_id(lease.item)
        attempt = max((name for name in alterations if name.startswith(f"{request_id}-")), default="")
        if not request_id or not attempt:
            skip(item=lease.item, token=lease.token, reviewer=reviewer, now=timezone.now())
            continue
        verdict, reason, note = _verdict(lease.item, alterations[attempt])
        decide(
            item=lease.item,
            token=lease.token,
            reviewer=reviewer,
            verdict=verdict,
            reason=reason,
            note=f"{_BY_THE_SEED}{note}",
            now=timezone.now(),
        )
        decided += 1
    return decided


def _request_id(item: ReviewItem) -> str:
    answer = LoggedAnswer.objects.filter(spot_check__review_item=item).first()
    return answer.request_id if answer else ""


def _verdict(item: ReviewItem, alteration: Mapping[str, str] | None) -> tuple[Verdict, str, str]:
    """Verdict, reason and note."""
    if alteration is not None:
        before, after = alteration["before"] or "nothing", alteration["after"]
        return Verdict.REJECT, Reason.CONTRADICTS, f"it put “{after}” in the place of “{before}”."
    answerable = next((each.answerable for each in questions() if each.question == item.question), True)
    if answerable == (_ABSTAINED in item.output):
        note = "nothing was invented, but the page " + ("answers this." if answerable else "does not say.")
        return Verdict.REJECT, Reason.MISSES_POINT, note
    return Verdict.APPROVE, "", "nothing was invented."
