"""The time line: samples brought to steps, and what happened in words."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from readiness.lib.formats import SPACE
from readiness.limits.queries import Incident
from readiness.operations.history import SPANS, TimeLine, mark_of, time_line
from readiness.projects.models import Project
from readiness.providers.models import Deployment
from tests.builders import make_account, make_deployment, make_sample
from tests.limits.harness import Upstream

NOW = datetime(2027, 1, 15, 8, 3, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def deployment(project: Project, redis_server: redis.Redis) -> Deployment:
    return make_deployment(make_account(project), name="Large")


def shown(deployment: Deployment, span: str = "1h") -> TimeLine:
    return time_line(deployment, SPANS[span], NOW)


@pytest.mark.parametrize(("span", "steps"), [("1h", 60), ("6h", 180), ("24h", 288)])
def test_steps_cover_the_span_and_end_with_the_current_one(
    deployment: Deployment, span: str, steps: int
) -> None:
    found = shown(deployment, span)

    assert len(found.points) == steps
    assert found.starts[-1] <= NOW < found.starts[-1] + found.step


def test_minute_that_nobody_looked_in_has_no_point(deployment: Deployment) -> None:
    this = NOW.replace(second=0)
    for ago in (0, 2):
        make_sample(deployment, this - ago * MINUTE)

    assert [point is not None for point in shown(deployment).points[-3:]] == [True, False, True]


def test_step_keeps_the_most_that_waited_and_the_least_that_was_left(deployment: Deployment) -> None:
    first = NOW.replace(minute=0, second=0)
    waiting = {"waiting": 5, "waiting_by_tier": {"free": 5}, "oldest_ms": 4000}
    make_sample(deployment, first, levels={"rpm": 0.9, "tpm": 0.5}, **waiting)
    make_sample(deployment, first + MINUTE, levels={"rpm": 0.2}, waiting=1, waiting_by_tier={"pro": 1})
    point = shown(deployment, "24h").points[-1]

    assert point is not None
    assert (point.waiting, point.oldest_s, point.level) == ({"free": 5, "pro": 1}, 4.0, 0.2)


def test_deployment_without_limits_has_no_level(deployment: Deployment) -> None:
    make_sample(deployment, NOW.replace(second=0))
    point = shown(deployment).points[-1]

    assert point is not None
    assert point.level is None


def test_samples_before_the_span_and_of_others_are_left_out(deployment: Deployment) -> None:
    make_sample(deployment, NOW.replace(second=0) - timedelta(hours=1))
    make_sample(make_deployment(deployment.account), NOW.replace(second=0))

    assert not any(shown(deployment).points)


def test_time_line_is_one_query(
    deployment: Deployment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for ago in range(20):
        make_sample(deployment, NOW.replace(second=0) - ago * MINUTE)
    with django_assert_num_queries(1):
        shown(deployment)


def test_what_the_limiter_noted_is_marked(deployment: Deployment, redis_server: redis.Redis) -> None:
    upstream = Upstream(redis_server, name=f"d{deployment.pk}")
    upstream.follow_server()
    upstream.configure()
    upstream.feedback("rate", retry_after_ms=20_000)
    upstream.feedback("out_of_credit")
    found = time_line(deployment, SPANS["1h"], timezone.now())
    pause = found.marks[0]

    assert [mark.kind for mark in found.marks] == ["429, pause", "Cut", "Out of credit"]
    assert pause.until == pause.at + timedelta(seconds=20)
    assert found.marks_known


def test_marks_are_not_known_without_redis(deployment: Deployment, redis_gone: Callable[[], None]) -> None:
    make_sample(deployment, NOW.replace(second=0))
    redis_gone()
    found = shown(deployment)

    assert found.points[-1]
    assert not found.marks_known


SAID: list[tuple[str, dict[str, Any], str]] = [
    ("pause", {"why": "rate", "milliseconds": 20_000}, "the provider answered 429, pause of 20.0 s"),
    ("cut", {"why": "rate", "share": 0.7, "ceiling": 0.8}, "cut to 70 % of the quota"),
    (
        "quota",
        {"bucket": "tpm", "configured": 90_000, "told": 60_000},
        "the provider allows 60,000 TPM, not 90,000",
    ),
    ("overloaded", {"places": 4}, "overloaded, down to 4 calls at a time"),
    ("too many at once", {"places": 4}, "refused for too many calls at a time, down to 4"),
    ("out_of_credit", {}, "the account is out of credit, nothing is sent"),
    ("circuit opened", {"milliseconds": 5000}, "calls fail, next try after 5.0 s"),
    ("circuit closed", {}, "a call succeeded again"),
    ("resumed", {}, "resumed by an admin"),
    ("data lost", {}, "Redis lost its data, buckets grew from empty"),
    (
        "admitted without redis",
        {"admitted": 12, "process": "p1"},
        "12 calls admitted by a process without Redis",
    ),
    ("unheard-of", {}, "unheard-of"),
]


@pytest.mark.parametrize(("kind", "detail", "words"), SAID)
def test_incident_is_said_in_words(kind: str, detail: dict[str, Any], words: str) -> None:
    assert mark_of(Incident(kind=kind, at=NOW, detail=detail)).words.replace(SPACE, " ") == words


def test_every_kind_that_the_scripts_note_is_said_in_words() -> None:
    scripts = (Path(settings.BASE_DIR) / "readiness" / "limits" / "lua").rglob("*.lua")
    noted = {kind for path in scripts for kind in re.findall(r"\bnote\('([^']+)'", path.read_text("utf-8"))}

    assert noted
    assert noted <= {kind for kind, _, _ in SAID}
