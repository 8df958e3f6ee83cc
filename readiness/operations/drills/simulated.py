"""The drill's own model at the simulated AI service. There is no other address that a drill can reach."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings

_PATIENCE_S: Final = 5.0
_TEMPLATE: Final = "sim-small-2026-06"
"""A model that the service always has; the drill's own starts from it."""
_NOT_ADMITTED: Final = {"seen", "invalid", "quota_429", "fault_429", "outage"}


class NotSimulatedError(Exception):
    """The simulated AI service does not answer, or something else does. ``str(error)`` says what to do."""


class SimulatedModel:
    """One model of the simulated service, made for a drill: its quota, its faults, its ledger."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._counted: Mapping[str, int] = {}

    async def prepare(self, profile: Mapping[str, Any]) -> None:
        """Makes the model, or makes it over. Raises ``NotSimulatedError``, and then nothing was called."""
        await self._ask("PUT", f"/sim/models/{self.name}", {"like": _TEMPLATE, **profile})
        self._counted = await self._totals()

    async def change(self, profile: Mapping[str, Any]) -> None:
        await self._ask("PUT", f"/sim/models/{self.name}", profile)

    async def break_for(self, kind: str, seconds: float, **options: float) -> None:
        """Every request of the next ``seconds`` meets the fault, which ends by itself."""
        await self._ask(
            "POST", "/sim/faults", {"kind": kind, "seconds": seconds, "model": self.name, **options}
        )

    async def break_next(self, kind: str, **options: float) -> None:
        """The next request meets the fault."""
        await self._ask("POST", "/sim/faults", {"kind": kind, "count": 1, "model": self.name, **options})

    async def ledger(self) -> dict[str, int]:
        """What the service itself counted of the model since ``prepare``."""
        now = await self._totals()
        return {name: count - self._counted.get(name, 0) for name, count in now.items()}

    async def charged(self) -> set[str]:
        """Ids of the requests that it admitted, of the latest ten thousand."""
        rows = (await self._ask("GET", "/sim/ledger?details=1"))["requests"]
        of_ours = [row for row in rows if row["model"] == self.name]
        return {row["request_id"] for row in of_ours if row["outcome"] not in _NOT_ADMITTED}

    async def _totals(self) -> Mapping[str, int]:
        models: Mapping[str, Mapping[str, int]] = (await self._ask("GET", "/sim/ledger"))["models"]
        return models[self.name]

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return await asyncio.to_thread(_ask, method, path, body)


def ensure_simulated() -> None:
    """Raises ``NotSimulatedError`` unless the simulated AI service answers at ``settings.SIMULATOR_URL``."""
    _ask("GET", "/sim/models")


def _ask(method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Never by way of a proxy: the service is a neighbour. Only a reply that says so is simulated."""
    base_url = settings.SIMULATOR_URL.rstrip("/").removesuffix("/v1")
    request = urllib.request.Request(  # noqa: S310 - the operator's own setting, which only allows http(s)
        base_url + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={"Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_PATIENCE_S) as reply:
            found, marked = json.load(reply), reply.headers.get("x-simulated") == "true"
    except (OSError, ValueError) as error:
        raise NotSimulatedError(_words(error)) from error
    if not marked:
        raise NotSimulatedError(_words(None))
    return found


def _words(error: Exception | None) -> str:
    if isinstance(error, urllib.error.HTTPError) or error is None:
        return (
            f"What answers at {settings.SIMULATOR_URL} is not the simulated AI service. Drills call nothing "
            "else: stop it, or set READINESS_SIMULATOR_URL."
        )
    return (
        f"The simulated AI service does not answer at {settings.SIMULATOR_URL}. Start it, or set "
        "READINESS_SIMULATOR_URL to where it runs."
    )
