"""A client process that kills itself at a step of its call, as a machine that is lost would."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from benchmarks.limiter import client
from benchmarks.limiter.common import Load, Row
from benchmarks.limiter.crashes import STEP
from readiness.limits.link import Link
from readiness.limits.scripts import Answer
from readiness.limits.tickets import Permit


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Victim(client.Client):
    """Dies 0.2 s after its call began to wait or was sent, or at the very moment of the other steps."""

    async def _one(self, load: Load, size: int) -> int:
        if os.environ[STEP] == "waiting":
            asyncio.get_running_loop().call_later(1.2, _die)
        return await super()._one(load, size)

    async def _send(self, permit: Permit, load: Load, row: Row) -> None:
        match os.environ[STEP]:
            case "holding":
                _die()
            case "sent":
                asyncio.get_running_loop().call_later(0.2, _die)
        await super()._send(permit, load, row)


_call = Link._call


async def _settle_and_die(redis: Any, name: str, upstream: str, argv: list[Any]) -> Answer:
    """Dies before the settlement leaves, or when Redis has run it and nobody heard."""
    if name == "settle" and os.environ[STEP] == "answered":
        _die()
    answer = await _call(redis, name, upstream, argv)
    if name == "settle" and os.environ[STEP] == "settling":
        _die()
    return answer


def main(path: Path) -> None:
    Link._call = staticmethod(_settle_and_die)  # type: ignore[assignment]
    client.main(path, Victim)
