"""The ASGI application of the simulated AI service: ``uvicorn readiness.simulator.app:app --port 8790``."""

import asyncio
import math
import os
import re
import time
import uuid
from collections.abc import Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from readiness.simulator.admin import AdminApi
from readiness.simulator.api import ServiceApi, dialect_of
from readiness.simulator.clock import Clock
from readiness.simulator.profiles import DEFAULT_PROFILES, ModelProfile
from readiness.simulator.service import Simulator, Sleep
from readiness.simulator.wire import ApiError

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,128}")


def create_app(
    *,
    profiles: Mapping[str, ModelProfile] = DEFAULT_PROFILES,
    seed: int = 0,
    speed: float = 1.0,
    key_prefix: str = "sim-",
    clock: Callable[[], float] = time.monotonic,
    sleep: Sleep = asyncio.sleep,
) -> ASGIApp:
    """A service of its own: two of them share nothing.

    ``speed`` divides every latency (``math.inf``: none at all). ``clock`` gives seconds that never go back;
    quotas refill by it. ``sleep`` is awaited with the real seconds of every latency and delay.
    """
    simulator = Simulator(
        profiles=profiles, seed=seed, speed=speed, key_prefix=key_prefix, clock=Clock(clock), sleep=sleep
    )
    api, admin = ServiceApi(simulator), AdminApi(simulator)
    return MarkedReplies(
        Starlette(
            routes=[
                Route("/v1/chat/completions", api.chat, methods=["POST"]),
                Route("/v1/messages", api.messages, methods=["POST"]),
                Route("/v1/models", api.models),
                Route("/sim/ledger", admin.ledger),
                Route("/sim/reset", admin.reset, methods=["POST"]),
                Route("/sim/models", admin.models),
                Route("/sim/models/{model}", admin.put_model, methods=["PUT"]),
                Route("/sim/account", admin.account),
                Route("/sim/account", admin.put_account, methods=["PUT"]),
                Route("/sim/faults", admin.add_fault, methods=["POST"]),
            ],
            exception_handlers={ApiError: _api_error, HTTPException: _http_error},
        )
    )


class MarkedReplies:
    """Outermost: marks every reply as simulated and gives it the client's request id, or one of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = sent if _PRINTABLE.fullmatch(sent) else f"req_{uuid.uuid4().hex}"
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                # OpenAI and Anthropic name the header differently, and their clients look for their own.
                marks = [(b"x-simulated", b"true")]
                marks += [(name, request_id.encode()) for name in (b"x-request-id", b"request-id")]
                message = {**message, "headers": [*message["headers"], *marks]}
            await send(message)

        await self._app(scope, receive, send_marked)


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return dialect_of(request).failure(error)


async def _http_error(request: Request, error: Exception) -> Response:
    """Starlette's own refusals (no such path, wrong method) in the wire's shape."""
    assert isinstance(error, HTTPException)
    message = f"Invalid URL ({request.method} {request.url.path}): {error.detail}."
    return dialect_of(request).failure(ApiError(error.status_code, message, headers=error.headers))


def create_app_from_environ(environ: Mapping[str, str]) -> ASGIApp:
    """The application as SIMULATOR_SPEED, SIMULATOR_SEED and SIMULATOR_KEY_PREFIX set it.

    Raises ``ValueError`` with the variable's name when one cannot be used.
    """
    return create_app(
        speed=_speed(environ.get("SIMULATOR_SPEED", "").strip() or "1"),
        seed=_seed(environ.get("SIMULATOR_SEED", "").strip() or "0"),
        key_prefix=environ.get("SIMULATOR_KEY_PREFIX", "").strip() or "sim-",
    )


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not speed > 0:
        raise ValueError("SIMULATOR_SPEED must be a number above 0, for example 1, 10 or inf (no latency).")
    return speed


def _seed(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("SIMULATOR_SEED must be a whole number.") from None


app = create_app_from_environ(os.environ)
