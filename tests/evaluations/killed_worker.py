"""A worker to be killed: answers half of the calls, says so, and hangs in the others.

``python -m tests.evaluations.killed_worker DATABASE RUN_ID``
"""

import asyncio
import sys
from uuid import UUID

import django
from django.conf import settings


def main(database: str, run_id: UUID) -> None:
    settings.DATABASES["default"]["NAME"] = database
    django.setup()

    import httpx
    from django.utils import timezone

    from readiness.evaluations.runner import run_shard
    from readiness.providers.registry import ClientPool

    asked = 0

    async def answer_the_first_two(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked > 2:
            await asyncio.sleep(1)
            sys.stdout.write("hanging\n")
            sys.stdout.flush()
            await asyncio.sleep(60)
        message = {"role": "assistant", "content": "from the killed worker"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        return httpx.Response(200, json={"model": "writer", "choices": [choice], "usage": usage})

    clients = ClientPool(transport=httpx.MockTransport(answer_the_first_two))
    asyncio.run(run_shard(run_id, clock=timezone.now, clients=clients))


if __name__ == "__main__":
    main(sys.argv[1], UUID(sys.argv[2]))
