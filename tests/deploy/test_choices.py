from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from deploy.local.choices import Choices
from deploy.local.preflight import StartError

PROCFILE = Path(__file__).resolve().parents[2] / "Procfile"
VARIABLES = [
    "PORT",
    "SIMULATOR_PORT",
    "READINESS_REDIS_PORT",
    "REDIS_URL",
    "READINESS_DEMO",
    "READINESS_SIMULATOR_URL",
]


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("READINESS_DEMO_PASSWORD", "a-demo-password")


def names() -> list[str]:
    return [program.name for program in Choices.read().programs(PROCFILE)]


def test_everything_runs_by_default() -> None:
    assert names() == [
        "redis",
        "web",
        "simulator",
        "worker-benchmarks",
        "worker-checks",
        "worker-default",
        "scheduler",
        "recorder",
    ]
    assert Choices.read().ports == {"PORT": 8000, "SIMULATOR_PORT": 8790, "READINESS_REDIS_PORT": 6390}


def test_own_redis_replaces_the_embedded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://cache:6379/0")
    assert "redis" not in names()
    assert "READINESS_REDIS_PORT" not in Choices.read().ports


def test_simulator_runs_for_the_demo_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READINESS_DEMO", "0")
    assert "simulator" not in names()
    assert "SIMULATOR_PORT" not in Choices.read().ports


def test_simulator_is_found_at_the_chosen_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMULATOR_PORT", "9790")
    assert Choices.read().environment()["READINESS_SIMULATOR_URL"] == "http://127.0.0.1:9790/v1"


def test_named_simulator_wins_over_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READINESS_SIMULATOR_URL", "http://elsewhere/v1")
    assert Choices.read().environment()["READINESS_SIMULATOR_URL"] == "http://elsewhere/v1"


@pytest.mark.parametrize("value", ["eight", "0", "70000"])
def test_port_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PORT", value)
    with pytest.raises(ImproperlyConfigured, match="PORT must be"):
        Choices.read()


def test_demo_without_a_password_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READINESS_DEMO_PASSWORD", "")
    with pytest.raises(StartError, match="make up DEMO=0"):
        Choices.read()


def test_start_without_demo_needs_no_password_and_says_how_to_get_an_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("READINESS_DEMO_PASSWORD", "")
    monkeypatch.setenv("READINESS_DEMO", "0")
    assert "createsuperuser" in Choices.read().welcome()


def test_welcome_gives_address_and_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    welcome = Choices.read().welcome()
    assert "http://127.0.0.1:9000/" in welcome
    assert "a-demo-password" in welcome
