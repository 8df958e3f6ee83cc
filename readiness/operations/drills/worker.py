"""What the drill ``worker-kill`` kills: ``python -m readiness.operations.drills.worker TASK``."""

import asyncio
import json
import os
import sys
from typing import Any

import django


def main(task: dict[str, Any]) -> None:
    """Makes its calls at once, and waits for their ends like any worker."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readiness.settings")
    django.setup()

    from django.utils import timezone

    from readiness.inference.dispatch import Call, Door
    from readiness.lib.events import Purpose
    from readiness.limits.limiter import Limiter
    from readiness.operations.drills.stage import TIER
    from readiness.providers.base import Message
    from readiness.providers.queries import deployment_spec
    from readiness.providers.registry import ClientPool
    from readiness.telemetry.queries import spent_nanos

    spec = deployment_spec(task["deployment"], timezone.now().date())

    def call() -> Call:
        return Call(
            spec=spec,
            messages=(Message("user", "Say yes."),),
            max_tokens=16,
            project_id=task["project"],
            tier=TIER,
            tenant="worker",
            purpose=Purpose.APP,
        )

    async def work() -> None:
        lease_s = float(task["lease_s"])
        opened = Limiter.open(spending=spent_nanos, lease_s=lease_s, heartbeat_s=lease_s / 9)
        async with opened as limiter, ClientPool() as clients:
            door = Door(limiter, clients)
            await asyncio.gather(*(door.dispatch(call()) for _ in range(task["calls"])))

    asyncio.run(work())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
