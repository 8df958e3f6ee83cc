"""Every documented error, and what it makes the caller do."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from readiness.providers import base
from readiness.providers.clients.failures import Failure, parse_failure, rate_limits, retry_after_s, to_error

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
    error = to_error(failure, httpx.Headers(recorded["headers"]), secret="sk-proj-abcd1234wxyz", now=NOW)
    expect = recorded["expect"]
    assert type(error) is getattr(base, expect["error"])
    assert error.http_status == expect.get("http_status", recorded["status"])
    assert error.retry_after_s == pytest.approx(expect.get("retry_after_s"))
    for name in ("limit_requests", "remaining_tokens"):
        assert name not in expect or getattr(error.rate_limits, name) == expect[name]
    assert expect.get("in_words", "") in str(error)
    assert expect.get("not_in_words", "\x00") not in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:29:00 GMT"}, 60.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, 86_400.0),
        ({"retry-after": "Wed, 21 Oct 9026 07:00:00 GMT"}, 86_400.0),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(httpx.Headers(headers), NOW) == seconds


@pytest.mark.parametrize("value", ["-1", "0", "", "many", "9" * 5000])
def test_rate_limit_headers_that_tell_nothing_are_none(value: str) -> None:
    assert rate_limits(httpx.Headers({"X-RateLimit-Limit-Tokens": value})).limit_tokens is None


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
