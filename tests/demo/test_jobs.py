"""The demo's customers: they ask through the door, and trouble never becomes a failed job."""

import logging

import pytest

from readiness.demo.jobs import trickle
from readiness.demo.services import MOST_CUSTOMERS
from readiness.demo.setup import Demo
from readiness.demo.traffic import TENANTS
from readiness.inference.models import LoggedAnswer
from readiness.lib.redis import sync_redis
from readiness.telemetry.models import RequestRecord
from readiness.telemetry.recorder import Recorder


def recorded() -> list[RequestRecord]:
    Recorder(sync_redis()).record_once(block_ms=1)
    return list(RequestRecord.objects.filter(outcome="ok"))


def test_trickle_logs_the_answers_under_the_ids_of_their_records(demo: Demo) -> None:
    trickle()
    logged = set(LoggedAnswer.objects.values_list("request_id", flat=True))
    assert 1 <= len(logged) <= MOST_CUSTOMERS
    assert {record.request_id for record in recorded()} == logged


def test_trickle_asks_the_target_as_customers_of_known_tiers(demo: Demo) -> None:
    trickle()
    for record in recorded():
        assert record.deployment_id == demo.deployments["sim-medium"].pk
        assert record.tenant in TENANTS[record.tier]
        assert record.purpose == "app"


def test_trickle_keeps_what_spot_checks_need(demo: Demo) -> None:
    trickle()
    answer = LoggedAnswer.objects.first()
    assert answer is not None
    assert answer.source
    assert answer.stratum
    assert answer.prompt_version_id == demo.prompts[-1].pk
    assert answer.simulated


def test_trickle_does_nothing_without_a_demo_project(site: None) -> None:
    trickle()
    assert not LoggedAnswer.objects.exists()


def test_trickle_does_nothing_when_the_demo_is_off(demo: Demo, settings: pytest.FixtureRequest) -> None:
    settings.DEMO = False
    trickle()
    assert not LoggedAnswer.objects.exists()


def test_trickle_tells_in_one_line_that_nobody_answers(demo: Demo, caplog: pytest.LogCaptureFixture) -> None:
    account = demo.deployments["sim-medium"].account
    account.base_url = "http://127.0.0.1:9/v1"
    account.save()
    with caplog.at_level(logging.WARNING, logger="readiness.demo"):
        trickle()
    assert len([line for line in caplog.messages if "got no answer" in line]) == 1
    assert not LoggedAnswer.objects.exists()
