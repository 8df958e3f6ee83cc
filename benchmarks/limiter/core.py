"""How many grants one Redis core gives."""

import itertools
import multiprocessing
import os
import time

import redis

from benchmarks.limiter.direct import Direct, four_buckets, publish
from benchmarks.stack import report
from readiness.lib.events import STREAM_KEY

PROCESSES = 3
SECONDS = 8.0
BATCH = 100
WANTED_PER_CORE = 10_000


def measure(client: redis.Redis, port: int) -> None:
    """Enqueue and settle in pipelines from several processes, by the server's own CPU seconds."""
    publish(client, {"free": {}})
    Direct.configured(client, "core", four_buckets())
    before, start = _cpu_seconds(client), time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        granted = sum(pool.starmap(_pipeline, [(port, number) for number in range(PROCESSES)]))
    used, lasted = _cpu_seconds(client) - before, time.perf_counter() - start
    report(
        "grants per Redis core",
        processes=PROCESSES,
        grants=granted,
        grants_per_s=round(granted / lasted),
        server_cpu_s=round(used, 2),
        cpu_us_per_grant=round(used / granted * 1e6, 1),
        grants_per_core_second=round(granted / used),
        wanted=WANTED_PER_CORE,
        reached=granted / used >= WANTED_PER_CORE,
        load_average=os.getloadavg()[0],
    )


def _cpu_seconds(client: redis.Redis) -> float:
    """Of the thread that runs the commands, with reading and answering."""
    told = client.info("cpu")
    return float(told["used_cpu_user_main_thread"]) + float(told["used_cpu_sys_main_thread"])


def _pipeline(port: int, number: int) -> int:
    """One process: grants and settles for a while; how many."""
    client = redis.Redis(port=port, decode_responses=True)
    upstream = Direct(client, "core", four_buckets(), numbers=itertools.count(number * 10**9))
    granted, end = 0, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        ids = upstream.ids(BATCH, 10)
        upstream.expect("granted", [upstream.enqueue(name) for name in ids])
        upstream.expect("settled", [upstream.settle(name) for name in ids])
        client.xtrim(STREAM_KEY, maxlen=0)
        granted += BATCH
    return granted
