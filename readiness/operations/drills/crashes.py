"""Drills in which a process of ours dies, or Redis stops answering."""

import asyncio
import json
import os
import signal
import sys
from functools import partial
from typing import Final

from asgiref.sync import sync_to_async
from django.conf import settings

from readiness.lib.events import STREAM_KEY, Outcome, UsageEvent
from readiness.lib.redis import sync_redis
from readiness.limits.limiter import LEASE_S
from readiness.limits.upstreams import sweep
from readiness.operations.drills.base import ANSWER, Drill, DrillRefusedError
from readiness.operations.drills.faults import expect_nothing_lost
from readiness.operations.drills.load import Ending
from readiness.operations.drills.stage import Stage

_TOKENS: Final = 100


class WorkerKill(Drill):
    name = "worker-kill"
    title = "Worker killed"
    about = (
        "A process is killed while its calls are under way: "
        "their places come back, and each of them is recorded."
    )
    seconds = 70
    quota = {"rpm": 600, "concurrency": 8}

    def profile(self) -> dict[str, object]:
        """Slow enough that the worker can be killed in the midst of its calls."""
        return {**super().profile(), "ttft_seconds": {"median": 10, "sigma": 0}}

    async def run(self, stage: Stage) -> None:
        lease_s = stage.pick(LEASE_S, 1.5)
        places = stage.spec.quota.concurrency or 0
        async with stage.load() as load:
            worker = await self._start(stage, lease_s)
            try:
                if not await _are_under_way(stage, places):
                    raise DrillRefusedError("The worker that was to be killed did not start working.")
                stage.note(f"A worker has {places} calls under way, as many as there are places.")
            finally:
                worker.send_signal(signal.SIGKILL)
                await worker.wait()
            killed = stage.now()
            stage.note("The worker is killed.")
            await stage.model.change(ANSWER)
            end = await load.make(stage.call(longest_wait_s=lease_s + 30))
            back_s = stage.now() - killed
            stage.note("Another process has a place again.")
            # What the worker had in the queue goes when its leases end, at the latest with a minute's sweep.
            await asyncio.sleep(stage.pick(5.0, lease_s))
            await sync_to_async(sweep)()
            freed = (await stage.state()).in_flight == 0
        recorded = {event.event_id: event.outcome for event in await sync_to_async(_events)()}
        charged = await stage.model.charged()
        expect_nothing_lost(stage, load)
        label = "Calls that the provider charged and nobody recorded"
        stage.find("unrecorded", label, len(charged - recorded.keys()), "calls", at_most=0)
        orphans = [name for name in charged if recorded.get(name) == Outcome.ORPHANED]
        label = "Calls of the worker, recorded as orphans"
        stage.find("orphans", label, len(orphans), "calls", at_least=places)
        stage.expect("served", "The next call was answered", end.ending is Ending.ANSWERED)
        stage.expect("freed", "Every place is free at the end", freed)
        label = "Until another process had a place again"
        stage.find("recovery", label, back_s, "s", at_most=lease_s + 15)

    async def _start(self, stage: Stage, lease_s: float) -> asyncio.subprocess.Process:
        """A worker in the arena's session: whatever ends the arena ends it too."""
        task = {
            "deployment": stage.deployment.pk,
            "project": stage.project.pk,
            "calls": 2 * (stage.spec.quota.concurrency or 0),
            "lease_s": lease_s,
        }
        module = "readiness.operations.drills.worker"
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, json.dumps(task), cwd=settings.BASE_DIR
        )


async def _are_under_way(stage: Stage, calls: int) -> bool:
    """Waits until so many calls are with the provider; False when they do not get there."""
    for _ in range(200):
        if (await stage.model.ledger())["in_flight"] == calls:
            return True
        await asyncio.sleep(0.1)
    return False


def _events() -> list[UsageEvent]:
    """What the recorder of this arena would find; it has none."""
    entries: list[tuple[str, dict[str, str]]] = sync_redis().xrange(STREAM_KEY)  # type: ignore[assignment]
    return [UsageEvent.from_entry(fields) for _, fields in entries]


class RedisFreeze(Drill):
    name = "redis-freeze"
    title = "Redis frozen"
    about = (
        "Redis stops answering under load: "
        "nobody hangs, the provider's limit holds, and all goes on when it is back."
    )
    seconds = 45
    quota = {"tpm": 60_000}

    async def run(self, stage: Stage) -> None:
        if stage.redis_pid is None:
            raise DrillRefusedError("Only a Redis that the drill itself started may be frozen.")
        frozen_s, per_second, longest_s = stage.pick(15.0, 2.0), 12, stage.pick(8.0, 3.0)
        make = partial(stage.call, max_tokens=_TOKENS, longest_wait_s=longest_s)
        async with stage.load() as load:
            await stage.drain(load)
            await load.steady(make, per_second=per_second, seconds=stage.pick(5.0, 1.0))
            os.kill(stage.redis_pid, signal.SIGSTOP)
            frozen, frozen_at = asyncio.get_running_loop().time(), stage.now()
            stage.note(f"Redis is frozen for {frozen_s:g} s.")
            try:
                await load.steady(make, per_second=per_second, seconds=frozen_s)
            finally:
                os.kill(stage.redis_pid, signal.SIGCONT)
            thawed = frozen + stage.now() - frozen_at
            stage.note("Redis is back.")
            await load.steady(make, per_second=per_second, seconds=stage.pick(5.0, 1.0))
            await load.finish(patience_s=longest_s + 5)
        refusals = (await stage.model.ledger())["quota_429"]
        expect_nothing_lost(stage, load)
        stage.find("refusals", "429s from the provider", refusals, at_most=0)
        waits = [end.queue_s if end.ending is Ending.ANSWERED else end.seconds for end in load.ends]
        beyond = max(waits, default=0.0) - longest_s
        label = "Longest time that a caller hung beyond its longest wait"
        stage.find("hung", label, max(0.0, beyond), "s", at_most=0.5)
        meanwhile = [end for end in load.answered if frozen + 1 <= end.sent < thawed]
        label = "Calls that were answered while Redis was frozen"
        stage.find("meanwhile", label, len(meanwhile), "calls", at_least=1)
        after = [end.sent - thawed for end in load.answered if end.sent >= thawed]
        waited = min(after, default=60.0)
        stage.find("recovery", "Until the first call after it was back", waited, "s", at_most=5.0)
