"""One client process without a limiter: the official openai SDK with its own retry loop.

It waits as the answer's ``Retry-After`` says, else half a second, doubled up to eight, with jitter.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from openai import AsyncOpenAI

from benchmarks.limiter.common import Load, Row, Spec, told

MAX_RETRIES = 1000
"""The SDK's own default, two, would lose most of the work."""


async def _in_turn(client: AsyncOpenAI, spec: Spec, load: Load, sizes: Iterator[int], rows: TextIO) -> None:
    for size in sizes:
        row = Row(load.tier, load.tenant, size, asked=time.time())
        await client.chat.completions.create(
            model=spec.model, messages=[{"role": "user", "content": "?"}], max_tokens=size
        )
        answered = row._replace(granted=row.asked, sent=row.asked, answered=time.time(), status=200)
        rows.write(json.dumps(answered) + "\n")


async def _run(path: Path, rows: TextIO) -> None:
    async with AsyncOpenAI(
        api_key="sim-benchmark", base_url="http://127.0.0.1", max_retries=MAX_RETRIES
    ) as client:
        spec = await asyncio.to_thread(told, path)
        client.base_url = f"{spec.base_url}/v1/"
        await asyncio.sleep(max(0.0, spec.start_at - time.time()))
        async with asyncio.TaskGroup() as group:
            for load in spec.loads:
                sizes = iter(load.sizes)
                for _ in range(load.in_flight):
                    group.create_task(_in_turn(client, spec, load, sizes, rows))


def main(path: Path) -> None:
    """Runs the specification that the file will hold; only loads with a given number of calls."""
    with path.with_suffix(".rows").open("w", encoding="utf-8") as rows:
        asyncio.run(_run(path, rows))
