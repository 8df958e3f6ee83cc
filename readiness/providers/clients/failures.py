"""From a response that is no answer to the error that tells the caller what to do.

Status and error code decide together, because providers use one status for different things: a 429 may ask
for a pause, a slower rise, or money.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from readiness.providers.base import (
    BadCredentialError,
    BadRequestError,
    OutOfCreditError,
    OverloadedError,
    ProviderError,
    ProviderFaultError,
    RampLimitedError,
    RateLimitedError,
    RateLimitHeaders,
)
from readiness.providers.clients.answers import clean_text

_MONEY = re.compile(
    r"insufficient_quota|insufficient_balance|credit_balance_exhausted|.*_spend_limit_.*|.*_usage_limit_exceeded"
    r"|billing_.*"
)
_RAMP = re.compile(r"slow_down|.*acceleration.*")
_KEY_LIKE = re.compile(r"\b(?:sk|gsk|pk|xai|key)[-_][A-Za-z0-9*_-]{4,}|Bearer\s+\S+")
_QUOTE_LIMIT = 300
_LONGEST_PAUSE_S = 86_400.0

Headers = Mapping[str, str]
"""Names in lower case, as httpx compares them."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a response said of its failure; texts may be empty and are not trusted."""

    status: int
    codes: tuple[str, ...] = ()
    """``error.code``, ``error.type`` and ``error.status``, in lower case."""
    message: str = ""
    retry_delay_s: float | None = None
    """Gemini puts the pause into the body."""


def parse_failure(status: int, body: bytes) -> Failure:
    """Reads the error object in any shape that compatible servers use; a body that is none stays unquoted."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return Failure(status)
    return failure_in(status, document) or Failure(status)


def failure_in(status: int, document: object) -> Failure | None:
    """The failure that a JSON document reports; None where it reports none.

    Known shapes: ``{"error": {…}}``, ``{"error": "…"}``, ``[{"error": {…}}]`` (Gemini), ``{"message": …}``
    and ``{"detail": …}`` (Mistral, vLLM, FastAPI). The last two count only beside an error status.
    """
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if error is None or error == {}:
        if status < 400:
            return None
        error = document
    if not isinstance(error, dict):
        return Failure(status, message=str(error))
    codes = tuple(str(error[name]).lower() for name in ("code", "type", "status") if error.get(name))
    code = error.get("code")
    # OpenRouter answers 200 and puts the status of the provider behind it into the body.
    if status < 400:
        status = code if isinstance(code, int) and 400 <= code <= 599 else 500
    message = error.get("message") or error.get("detail") or ""
    text = message if isinstance(message, str) else json.dumps(message)
    return Failure(status, codes, text, _retry_delay(error.get("details")))


def _retry_delay(details: object) -> float | None:
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and isinstance(delay := detail.get("retryDelay"), str):
            return _seconds(delay.removesuffix("s"))
    return None


def to_error(failure: Failure, headers: Headers, *, secret: str, now: datetime) -> ProviderError:
    """The error to raise; its words never hold the secret. ``now`` is what an HTTP date is compared with."""
    kind, words = _classify(failure)
    quote = "" if kind is BadCredentialError else _quoted(failure.message, secret)
    pause = retry_after_s(headers, now)
    return kind(
        f"{words} ({failure.status}).{quote}",
        http_status=failure.status,
        retry_after_s=failure.retry_delay_s if pause is None else pause,
        rate_limits=rate_limits(headers),
    )


def _classify(failure: Failure) -> tuple[type[ProviderError], str]:
    status = failure.status
    if status == 402 or (status in {400, 403, 429} and _any(failure.codes, _MONEY)):
        return OutOfCreditError, "The account is out of credit or at its spending limit at the provider"
    if status in {429, 503} and (
        _any(failure.codes, _RAMP) or (status == 429 and "acceleration" in failure.message)
    ):
        return RampLimitedError, "The provider asks for a slower rise of requests"
    if status == 429:
        return RateLimitedError, "The provider's rate limit is reached"
    if status in {503, 529}:
        return OverloadedError, "The provider is overloaded"
    if status in {401, 403}:
        return BadCredentialError, _CREDENTIAL_WORDS[status]
    if status in {408, 409, 425} or status >= 500:
        return ProviderFaultError, "The provider failed"
    if status < 400:
        return BadRequestError, "The address leads on to another one: enter the final base URL"
    return BadRequestError, _REQUEST_WORDS.get(status, "The provider refused the request")


_CREDENTIAL_WORDS = {
    401: "The provider does not accept the key: enter it again, and check that it belongs to this base URL",
    403: "The key may not do this: check its rights, the model, and whether the provider serves this region",
}
_REQUEST_WORDS = {
    404: "The provider does not know this model or address",
    413: "The request is too large for the provider",
}


def _any(codes: tuple[str, ...], pattern: re.Pattern[str]) -> bool:
    return any(pattern.fullmatch(code) for code in codes)


def _quoted(message: str, secret: str) -> str:
    """The provider's words on one line, at most 300 characters, without anything that looks like a key."""
    if secret:
        message = message.replace(secret, "[key]")
    line = _KEY_LIKE.sub("[key]", " ".join(clean_text(message).split()))
    if not line:
        return ""
    return f" It said: “{line if len(line) <= _QUOTE_LIMIT else line[: _QUOTE_LIMIT - 1] + '…'}”"


def retry_after_s(headers: Headers, now: datetime) -> float | None:
    """Seconds to wait, at most a day, from ``retry-after-ms`` or ``Retry-After`` (seconds or HTTP date).

    None where the provider said nothing that can be read.
    """
    text = headers.get("retry-after", "")
    for candidate in (_seconds(headers.get("retry-after-ms", ""), unit=0.001), _seconds(text)):
        if candidate is not None:
            return candidate
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return _seconds(str(max((moment - now).total_seconds(), 0.0)))


def _seconds(text: str, unit: float = 1.0) -> float | None:
    try:
        seconds = float(text) * unit
    except ValueError:
        return None
    if math.isnan(seconds) or seconds < 0:
        return None
    return min(seconds, _LONGEST_PAUSE_S)


def rate_limits(headers: Headers) -> RateLimitHeaders:
    """OpenAI's ``x-ratelimit-*`` headers; Azure's -1 and 0 mean "not told" and become None."""

    def count(name: str) -> int | None:
        try:
            value = int(headers.get(f"x-ratelimit-{name}", ""))
        except ValueError:
            return None
        return value if value > 0 else None

    return RateLimitHeaders(
        limit_requests=count("limit-requests"),
        remaining_requests=count("remaining-requests"),
        limit_tokens=count("limit-tokens"),
        remaining_tokens=count("remaining-tokens"),
    )
