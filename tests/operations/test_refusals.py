"""Every refusal in a sentence: which limit, whose, and when the request would fit."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from readiness.lib.formats import SPACE
from readiness.limits.tickets import REFUSALS
from readiness.operations.refusals import (
    MOST_CAUSES,
    MOST_READ,
    Refusals,
    explain_refusal,
    refusals,
    refusals_since,
)
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from readiness.telemetry.models import RequestRecord
from tests.builders import make_account, make_deployment

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
TIERS = {"free": "Free", "pro": "Pro"}


def explained(reason: str, limit: str, retry_after_s: float = 0.0, ago_s: float = 0.0) -> str:
    sentence = explain_refusal(
        reason, limit, retry_after_s=retry_after_s, ago_s=ago_s, project_id=12, tiers=TIERS
    )
    return sentence.replace(SPACE, " ")


EXPLAINED = [
    (
        "too_large",
        "provider tpm",
        "It asked for more than the provider's whole limit of tokens per minute. "
        "It never fits: ask for fewer output tokens, or shorten it.",
    ),
    (
        "too_large_for_tier",
        "tier:free tpm",
        "It asked for more than the tokens per minute of tier Free could ever cover. "
        "It never fits: ask for fewer output tokens, or have the limit raised.",
    ),
    (
        "too_large_for_cap",
        "key:k7 tpm",
        "It asked for more than the tokens per minute of API key k7 could ever cover. "
        "It never fits: ask for fewer output tokens, or have the limit raised.",
    ),
    (
        "over_cap",
        "project:12 rpm",
        "The requests per minute of this project had been used up. It would have fitted 30 s later.",
    ),
    (
        "over_cap",
        "site rpm",
        "The requests per minute of the whole site had been used up. It would have fitted 30 s later.",
    ),
    (
        "over_cap",
        "user:12:eve%2Fmallory tpm",
        "The tokens per minute of end user eve/mallory had been used up. It would have fitted 30 s later.",
    ),
    (
        "budget_exceeded",
        "tier:pro day",
        "The day's budget of tier Pro had been used up. It would have fitted 30 s later.",
    ),
    (
        "budget_exceeded",
        "tier:free/12 month",
        "The month's budget of this project in tier Free had been used up. It would have fitted 30 s later.",
    ),
    (
        "budget_exceeded",
        "tier:free/12/eve month",
        "The month's budget of end user eve in tier Free had been used up. It would have fitted 30 s later.",
    ),
    (
        "would_time_out",
        "provider tpm",
        "It would have waited for longer than it may, for the provider's tokens per minute. "
        "It would have fitted 30 s later.",
    ),
    (
        "would_time_out",
        "account rpm",
        "It would have waited for longer than it may, for the requests per minute of the provider's whole "
        "account. It would have fitted 30 s later.",
    ),
    (
        "would_time_out",
        "provider pause",
        "It would have waited for longer than it may, for the end of a pause that the provider's answers "
        "caused. It would have fitted 30 s later.",
    ),
    (
        "would_time_out",
        "tier:free concurrency",
        "It would have waited for longer than it may, for the calls in flight of tier Free. "
        "It would have fitted 30 s later.",
    ),
    (
        "would_time_out",
        "",
        "It would have waited for longer than it may, for its turn. It would have fitted 30 s later.",
    ),
    (
        "timed_out",
        "provider",
        "It waited for as long as it may, and the provider's quota was not free for it in time. "
        "It would have fitted 30 s later.",
    ),
    (
        "timed_out",
        "",
        "It waited for as long as it may, and the provider's quota was not free for it in time. "
        "It would have fitted 30 s later.",
    ),
    (
        "timed_out",
        "head start",
        "It waited for as long as it may, while room was kept for tiers of more weight. "
        "It would have fitted 30 s later.",
    ),
    (
        "timed_out",
        "tier:free rpm",
        "It waited for as long as it may, held back by the requests per minute of tier Free. "
        "It would have fitted 30 s later.",
    ),
    (
        "timed_out",
        "tier:free share",
        "It waited for as long as it may, held back by the largest share of the quota of tier Free. "
        "It would have fitted 30 s later.",
    ),
    (
        "abandoned",
        "",
        "The process that waited for it stopped answering. It may be sent again at once.",
    ),
    (
        "queue_full",
        "queue",
        "Too many requests waited for this deployment already. It would have fitted 30 s later.",
    ),
    (
        "recorder_behind",
        "recorder",
        "Usage records were not written fast enough, so nothing new was let in. "
        "It would have fitted 30 s later.",
    ),
    (
        "out_of_credit",
        "provider",
        "The provider said that the account is out of credit. "
        "It fits once the provider is paid and an admin has resumed the deployment.",
    ),
]


@pytest.mark.parametrize(("reason", "limit", "sentence"), EXPLAINED)
def test_refusal_is_explained(reason: str, limit: str, sentence: str) -> None:
    retry_after_s = 0 if reason == "too_large" else 30
    assert explained(reason, limit, retry_after_s=retry_after_s, ago_s=120) == sentence


def test_limit_that_only_headers_tell_says_when_it_is_tried_again() -> None:
    assert explained("too_large", "provider tpm", 180).endswith(
        "So the provider's answers said: ask for fewer output tokens, or shorten it. Whether a request as "
        "large goes through was to be tried 3 min later."
    )


def test_every_reason_is_explained() -> None:
    assert {reason for reason, _, _ in EXPLAINED} == REFUSALS.keys()


def test_what_does_not_fit_yet_says_in_how_long_it_will() -> None:
    assert explained("budget_exceeded", "site day", retry_after_s=7200, ago_s=3600).endswith(
        "It fits again in 1 h, unless the limit is changed before."
    )


def test_refusal_by_another_project_does_not_name_it() -> None:
    assert "of another project" in explained("over_cap", "project:13 rpm", 1)


@pytest.mark.parametrize("limit", ["", "unheard-of", "unheard-of:7 rpm", "project:x rpm", "tier:gone tpm"])
def test_unknown_limit_still_gives_a_sentence(limit: str) -> None:
    assert explained("over_cap", limit, 30, 120).endswith("used up. It would have fitted 30 s later.")


def test_unknown_reason_still_gives_a_sentence() -> None:
    assert explained("unheard-of", "") == "A limit that is set here said no. It may be sent again."


@pytest.fixture
def deployment(project: Project) -> Deployment:
    return make_deployment(make_account(project), name="Large")


def refuse(deployment: Deployment, minutes_ago: float = 1, times: int = 1, **values: Any) -> None:
    number = RequestRecord.objects.count()
    defaults: dict[str, Any] = {
        "project": deployment.account.project,
        "deployment": deployment,
        "outcome": "refused",
        "tier": "free",
        "error_class": "over_cap",
        "refused_by": "site rpm",
        "retry_after_ms": 30_000,
        "purpose": "app",
    }
    RequestRecord.objects.bulk_create(
        RequestRecord(
            event_id=f"e{number + i}",
            request_id=f"r{number + i}",
            at=NOW - timedelta(minutes=minutes_ago, milliseconds=i),
            **(defaults | values),
        )
        for i in range(times)
    )


def found(project: Project) -> Refusals:
    return refusals(project, TIERS, NOW)


def test_refusals_of_one_cause_are_counted_together(project: Project, deployment: Deployment) -> None:
    refuse(deployment, times=3)
    refuse(deployment, minutes_ago=5, tier="pro")
    shown = found(project)

    assert [(cause.count, cause.tier, cause.at) for cause in shown.causes] == [
        (3, "Free", NOW - timedelta(minutes=1)),
        (1, "Pro", NOW - timedelta(minutes=5)),
    ]
    assert (shown.total, shown.more) == (4, 0)


def test_requests_that_waited_in_vain_are_among_them(project: Project, deployment: Deployment) -> None:
    refuse(deployment, outcome="expired", error_class="timed_out", refused_by="provider")

    assert found(project).causes[0].sentence.startswith("It waited for as long as it may")


def test_delivered_and_older_and_others_calls_are_not(project: Project, deployment: Deployment) -> None:
    refuse(deployment, outcome="ok")
    refuse(deployment, minutes_ago=24 * 60 + 1)
    refuse(deployment, project=Project.objects.create(name="Other", slug="other"))

    assert found(project).causes == []


def test_most_refusals_are_only_counted(project: Project, deployment: Deployment) -> None:
    refuse(deployment, times=MOST_READ + 3)
    shown = found(project)

    assert (shown.total, shown.read) == (MOST_READ + 3, MOST_READ)


def test_most_causes_are_only_counted(project: Project, deployment: Deployment) -> None:
    for user in range(MOST_CAUSES + 2):
        refuse(deployment, refused_by=f"user:{project.pk}:u{user} rpm")
    shown = found(project)

    assert (len(shown.causes), shown.more) == (MOST_CAUSES, 2)


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_refusals_are_marked(project: Project, deployment: Deployment, simulated: bool) -> None:
    refuse(deployment, simulated=simulated)

    assert found(project).simulated is simulated


def test_number_of_queries_does_not_grow_with_refusals(
    project: Project, deployment: Deployment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for tier in ("free", "pro"):
        refuse(deployment, tier=tier, times=20)
    refuse(make_deployment(deployment.account), times=5)
    with django_assert_num_queries(1):
        found(project)


def test_refusals_are_read_from_their_index(project: Project, deployment: Deployment) -> None:
    refuse(deployment, times=5)
    # Enough of them for a planner to mind which index it reads.
    refuse(deployment, times=2000, outcome="ok")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")

    assert "record_refused" in refusals_since(project, NOW - timedelta(hours=1)).explain()
