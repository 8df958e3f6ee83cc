"""Every documented error, and what it makes the caller do."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from readiness.providers import base
from readiness.providers.clients.dialects import dialect_of
from readiness.providers.clients.failures import Failure, failure_in, parse_failure, to_error

NOW = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
REPLIES = sorted((Path(__file__).parent.parent / "replies").glob("*.json"))


def reply(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@pytest.mark.parametrize("path", REPLIES, ids=lambda path: path.stem)
def test_client_reads_the_documented_error(path: Path) -> None:
    recorded = reply(path)
    body = recorded["body"] if isinstance(recorded["body"], str) else json.dumps(recorded["body"])
    failure = parse_failure(recorded["status"], body.encode())
    habits = dialect_of(recorded.get("base_url", "")).habits
    headers = httpx.Headers(recorded["headers"])
    error = to_error(failure, headers, secret="sk-proj-abcd1234wxyz", now=NOW, habits=habits)
    expect = recorded["expect"]
    assert type(error) is getattr(base, expect["error"])
    assert error.signal == expect.get("signal", "")
    assert error.http_status == expect.get("http_status", recorded["status"])
    assert error.retry_after_s == pytest.approx(expect.get("retry_after_s"))
    for kind in ("limit", "remaining"):
        assert kind not in expect or dict(getattr(error.rate_limits, kind)) == expect[kind]
    assert expect.get("in_words", "") in str(error)
    assert expect.get("not_in_words", "\x00") not in str(error)


def test_words_never_hold_the_key_or_anything_like_one() -> None:
    said = "Key s3cr3t-in-full is bad,\nuse Bearer abc.def or sk-live-12345 \x00"
    error = to_error(Failure(400, message=said), httpx.Headers(), secret="s3cr3t-in-full", now=NOW)
    assert str(error) == (
        "The provider refused the request (400). It said: “Key [key] is bad, use [key] or [key] �”"
    )


def test_words_of_a_talkative_provider_are_cut() -> None:
    error = to_error(Failure(400, message="x" * 10_000), httpx.Headers(), secret="", now=NOW)
    assert len(str(error)) < 400


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"no"', b"[" * 100_000, b"\xff\xfe", b'{"error": null}']
)
def test_body_without_an_error_object_leaves_the_status_alone(body: bytes) -> None:
    assert parse_failure(500, body).message == ""


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("overloaded_error", 529),
        ("rate_limit_error", 429),
        ("rate_limit_exceeded", 429),
        ("insufficient_quota", 429),
        ("billing_error", 402),
        ("authentication_error", 401),
        ("invalid_request_error", 400),
        ("api_error", 500),
        (None, 500),
        (503, 503),
        (200, 500),
    ],
)
def test_error_inside_a_success_has_the_status_of_its_code(code: object, status: int) -> None:
    failure = failure_in(200, {"error": {"code": code, "message": "No."}})
    assert failure is not None
    assert failure.status == status


def test_error_text_inside_a_success_is_the_providers_fault() -> None:
    failure = failure_in(200, {"error": "model runner has unexpectedly stopped"})

    assert failure
    assert isinstance(to_error(failure, {}, secret="", now=NOW), base.ProviderFaultError)
