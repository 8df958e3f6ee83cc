"""From a response that is no answer to the error that tells the caller what to do.

Status and error code decide together, because providers use one status for different things: a 429 may ask
for a pause, a slower rise, or money.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime

from readiness.providers.base import (
    BadCredentialError,
    BadRequestError,
    ConcurrencyLimitedError,
    OutOfCreditError,
    OverloadedError,
    ProviderError,
    ProviderFaultError,
    RampLimitedError,
    RateLimitedError,
)
from readiness.providers.clients.answers import clean_text
from readiness.providers.clients.quota_headers import (
    USUAL_HABITS,
    HeaderHabits,
    Headers,
    duration_s,
    exhausted_s,
    rate_limits,
    retry_after_s,
)

_MONEY = re.compile(
    r"insufficient_(quota|balance|credits)|credit_balance_exhausted|.*_spend_limit_.*|.*_usage_limit_exceeded"
    r"|billing_.*|blocked_api_access"
)
# Anthropic tells of money with the codes of a bad request and of a rate limit; only its words differ.
_MONEY_WORDS = re.compile(r"credit balance is too low|reached your specified .*usage limits", re.IGNORECASE)
_RAMP = re.compile(r"slow_down|.*acceleration.*")
_RAMP_WORDS = re.compile("acceleration limit", re.IGNORECASE)
_CONCURRENCY = re.compile(r"too_many_concurrent_requests|concurrent_limit_exceeded|concurrency_limit_.*")
_BUSY = re.compile(r"overloaded_error|(server|engine)_is_overloaded|engine_overloaded|system_busy")
_SERVES_NOBODY = {498, 503, 529}
"""498 is Groq's word for a tier without free capacity."""
_STATUS_OF_CODE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "slow_down": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 529,
}
"""For errors inside a stream, which began as a success."""
_KEY_LIKE = re.compile(r"\b(?:sk|gsk|pk|xai|key)[-_][A-Za-z0-9*_-]{4,}|Bearer\s+\S+")
_QUOTE_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """What a response said of its failure; texts may be empty and are not trusted."""

    status: int
    codes: tuple[str, ...] = ()
    """``error.code``, ``error.type``, ``error.status`` and Anthropic's ``error.details.error_code``, in lower
    case."""
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

    Known shapes: ``{"error": {…}}``, ``{"error": "…"}``, ``[{"error": {…}}]`` (Gemini), ``{"message": …}``,
    ``{"detail": …}`` (Mistral, vLLM, FastAPI) and ``{"detail": {…}}`` (ElevenLabs). Those without ``error``
    count only beside an error status.
    """
    if isinstance(document, list):
        document = document[0] if document else None
    if not isinstance(document, dict):
        return None
    error = document.get("error")
    if error is None or error == {}:
        if status < 400:
            return None
        detail = document.get("detail")
        error = detail if isinstance(detail, dict) else document
    if not isinstance(error, dict):
        return Failure(status if status >= 400 else 500, message=str(error))
    codes = _codes(error)
    message = error.get("message") or error.get("detail") or ""
    text = message if isinstance(message, str) else json.dumps(message)
    if status < 400:
        status = _status_in(error.get("code"), codes)
    return Failure(status, codes, text, _retry_delay(error.get("details")))


def _codes(error: dict[str, object]) -> tuple[str, ...]:
    details = error.get("details")
    own = [error.get(name) for name in ("code", "type", "status")]
    inner = details.get("error_code") if isinstance(details, dict) else None
    return tuple(str(code).lower() for code in (*own, inner) if code)


def _status_in(code: object, codes: tuple[str, ...]) -> int:
    """The status of an error inside a success: OpenRouter puts a number there, others only their codes."""
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return next((_STATUS_OF_CODE[code] for code in codes if code in _STATUS_OF_CODE), 500)


def _retry_delay(details: object) -> float | None:
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and isinstance(delay := detail.get("retryDelay"), str):
            return duration_s(delay)
    return None


def to_error(
    failure: Failure, headers: Headers, *, secret: str, now: datetime, habits: HeaderHabits = USUAL_HABITS
) -> ProviderError:
    """The error to raise; its words never hold the secret.

    ``now`` is what a moment in the headers is compared with.
    """
    kind, words = _classify(failure)
    quote = "" if kind is BadCredentialError else _quoted(failure.message, secret)
    pauses = [retry_after_s(headers, now), failure.retry_delay_s]
    if issubclass(kind, RateLimitedError):
        pauses.append(exhausted_s(headers, now))
    return kind(
        f"{words} ({failure.status}).{quote}",
        http_status=failure.status,
        retry_after_s=next((pause for pause in pauses if pause is not None), None),
        rate_limits=rate_limits(headers, habits),
    )


def _classify(failure: Failure) -> tuple[type[ProviderError], str]:
    status = failure.status
    if _is_about_money(failure):
        return OutOfCreditError, "The account is out of credit or at its spending limit at the provider"
    if status in {429, 503} and _any(failure.codes, _RAMP):
        return RampLimitedError, "The provider asks for a slower rise of requests"
    if status in _SERVES_NOBODY or (status in {429, 500} and _any(failure.codes, _BUSY)):
        return OverloadedError, "The provider is overloaded"
    if status == 429:
        return _rate_limit(failure)
    if status in {401, 403}:
        return BadCredentialError, _CREDENTIAL_WORDS[status]
    if status in {408, 409, 425} or status >= 500:
        return ProviderFaultError, "The provider failed"
    if status < 400:
        return BadRequestError, "The address leads on to another one: enter the final base URL"
    return BadRequestError, _REQUEST_WORDS.get(status, "The provider refused the request")


def _is_about_money(failure: Failure) -> bool:
    status = failure.status
    if status == 401:  # ElevenLabs; elsewhere the same code is a rate limit's
        return "quota_exceeded" in failure.codes
    told = _any(failure.codes, _MONEY) or bool(_MONEY_WORDS.search(failure.message))
    return status == 402 or (status in {400, 403, 429} and told)


def _rate_limit(failure: Failure) -> tuple[type[ProviderError], str]:
    if _any(failure.codes, _CONCURRENCY):
        return ConcurrencyLimitedError, "The provider allows fewer calls at the same time"
    if _RAMP_WORDS.search(failure.message):
        return RampLimitedError, "The provider asks for a slower rise of requests"
    return RateLimitedError, "The provider's rate limit is reached"


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
