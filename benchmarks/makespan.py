"""How long a run takes behind a quota, against the shortest time that the quota allows.

    python benchmarks/makespan.py [--workers 2] [--limit N] [--fault kill|freeze]

Two simulated deployments, each behind 600 requests and 200,000 tokens a minute that the simulator enforces
itself, answer the same questions. Ideal: max over buckets of (need − full bucket) ÷ rate. The records must
equal the simulator's own ledger to the last request and token; after a kill, records plus orphans.

``--fault kill`` ends a worker and all it forked with SIGKILL in the middle and starts another ten seconds
later; ``--fault freeze`` stops Redis for ten seconds.
"""

import argparse
import gzip
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stack import ROOT, Stack, report, running_stack, until

if TYPE_CHECKING:
    from uuid import UUID

    from readiness.evaluations.models import Run

RPM, TPM, MAX_TOKENS = 600, 200_000, 512
MODELS = ("sim-a", "sim-b")
SHARED = ROOT.parent / "shared" / "data" / "outputs" / "ragtruth_qa_sources.jsonl.gz"


def questions(limit: int | None) -> list[dict[str, str]]:
    """Real questions with their passages where the recorded data is at hand, else the demo's."""
    if SHARED.exists():
        with gzip.open(SHARED, "rt", encoding="utf-8") as lines:
            rows = [{"question": r["question"], "source": r["source"]} for r in map(json.loads, lines)]
    else:
        folder = ROOT / "readiness" / "demo" / "handbook"
        passages = {p["id"]: p["text"] for p in _json_lines(folder / "passages.jsonl")}
        asked = _json_lines(folder / "questions.jsonl")
        rows = [{"question": q["question"], "source": passages[q["passage"]]} for q in asked]
    return rows[:limit]


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def start_run(rows: list[dict[str, str]]) -> "Run":
    """A project with the questions, two deployments and a run over all of it."""
    from readiness.datasets.models import Dataset, DatasetVersion, Example
    from readiness.evaluations.services.runs import start_run
    from readiness.projects.models import Project
    from readiness.prompts.services import create_prompt, save_version
    from readiness.providers.services import create_account, create_deployment

    project = Project.objects.create(name="Makespan", slug="makespan")
    dataset = Dataset.objects.create(project=project, name="Questions", slug="questions")
    version = DatasetVersion.objects.create(
        dataset=dataset, number=1, sha256="0" * 64, example_count=len(rows)
    )
    Example.objects.bulk_create(
        Example(version=version, uid=str(i), position=i, **row) for i, row in enumerate(rows)
    )
    prompt = create_prompt(project=project, name="Answer")
    text = "Answer from the source.\n\nQuestion: {{ question }}\n\nSource: {{ source }}"
    parameters = {"temperature": 0, "max_tokens": MAX_TOKENS}
    prompt_version = save_version(prompt=prompt, system="", user=text, parameters=parameters, by=None)
    account = create_account(
        actor=None,
        project=project,
        name="Simulated",
        kind="openai",
        base_url=os.environ["READINESS_SIMULATOR_URL"],
        api_key="sim-benchmark",
    )
    deployments = [
        create_deployment(actor=None, account=account, name=model, model=model, rpm=RPM, tpm=TPM)
        for model in MODELS
    ]
    return start_run(
        project=project,
        name="Makespan",
        dataset_version=version,
        deployments=deployments,
        prompt_version=prompt_version,
        scorers=["unsupported_details"],
    )


def ideal_seconds(ledger: dict[str, Any]) -> float:
    """Shortest time for what each model admitted, from full buckets."""
    return max(
        max((used["admitted"] - RPM) / (RPM / 60), (used["charged_tokens"] - TPM) / (TPM / 60), 0.0)
        for used in ledger.values()
    )


def inject(fault: str, stack: Stack, run_id: "UUID", total: int) -> None:
    """Waits until a third of the run is done, then breaks something."""
    if not fault:
        return
    until(lambda: finished(run_id) > total / 3, seconds=600)
    if fault == "kill":
        stack.kill_session("worker-1")
        report("worker killed", finished=finished(run_id))
        time.sleep(10)
        stack.start_worker("worker-3")
    else:
        os.kill(stack.redis_pid, signal.SIGSTOP)
        report("redis stopped", finished=finished(run_id))
        time.sleep(10)
        os.kill(stack.redis_pid, signal.SIGCONT)


def finished(run_id: "UUID") -> int:
    from readiness.evaluations.models import Cell

    return Cell.objects.filter(run_id=run_id, state__in=("done", "failed")).count()


def wait_for_end(run: "Run") -> None:
    """Reaps every thirty seconds, as the scheduler does, until the run is over."""
    from readiness.evaluations.jobs import reap_expired_leases

    last_reap = time.monotonic()

    def over() -> bool:
        nonlocal last_reap
        if time.monotonic() - last_reap > 30:
            reap_expired_leases()
            last_reap = time.monotonic()
        run.refresh_from_db()
        return run.is_over

    until(over, seconds=1200, every=0.5)


def compare(stack: Stack, run: "Run") -> dict[str, Any]:
    """The records against the simulator's ledger, once the recorder has written everything."""
    from readiness.lib.redis import sync_redis
    from readiness.telemetry.queries import run_ledger

    ledger = {model: stack.ask_simulator("GET", "/sim/ledger")["models"][model] for model in MODELS}

    def recorded() -> bool:
        group = sync_redis().xinfo_groups("telemetry:events")[0]
        return group["pending"] == 0 and group["lag"] == 0

    until(recorded, seconds=120)
    lines = run_ledger(str(run.id))
    attempts = sum(line.attempts for line in lines)
    return {
        "ideal": ideal_seconds(ledger),
        "upstream_429": sum(used["quota_429"] for used in ledger.values()),
        "ledger_requests": sum(used["seen"] for used in ledger.values()),
        "records": attempts,
        "orphans": sum(line.orphans for line in lines),
        "ledger_output_tokens": sum(used["completed_output_tokens"] for used in ledger.values()),
        "record_output_tokens": sum(line.output_tokens for line in lines),
        "ledger_input_tokens": sum(used["completed_input_tokens"] for used in ledger.values()),
        "record_input_tokens": sum(line.input_tokens for line in lines),
    }


def measure(workers: int, limit: int | None, fault: str) -> None:
    rows = questions(limit)
    with running_stack() as stack:
        from readiness.evaluations.jobs import enqueue_shards

        stack.start_simulator()
        for model in MODELS:
            quota = {"rpm": RPM, "tpm": TPM, "rpd": None, "concurrency": None}
            body = {"like": "sim-medium-2026-06", "error_rate": 0, "quota": quota}
            stack.ask_simulator("PUT", f"/sim/models/{model}", body)
        stack.start("recorder", "manage.py", "record_usage")
        for number in range(1, workers + 1):
            stack.start_worker(f"worker-{number}")
        run = start_run(rows)
        enqueue_shards(run.id, count=workers)
        inject(fault, stack, run.id, 2 * len(rows))
        since_fault = time.monotonic()
        wait_for_end(run)
        after_fault = time.monotonic() - since_fault
        figures = compare(stack, run)
    assert run.started_at
    assert run.finished_at
    actual = (run.finished_at - run.started_at).total_seconds()
    print_figures(run, rows, workers, fault, actual, after_fault, figures)


def print_figures(
    run: "Run",
    rows: list[dict[str, str]],
    workers: int,
    fault: str,
    actual: float,
    after_fault: float,
    figures: dict[str, Any],
) -> None:
    ideal = figures["ideal"]
    report("state", state=run.state, questions=len(rows), workers=workers, fault=fault or "none")
    ratio = round(actual / ideal, 3) if ideal else None  # a run that full buckets can hold has no ideal
    report("makespan", ideal_s=round(ideal, 1), actual_s=round(actual, 1), ratio=ratio)
    report("upstream 429s", count=figures["upstream_429"])
    difference = figures["ledger_requests"] - figures["records"] - figures["orphans"]
    report(
        "requests",
        ledger=figures["ledger_requests"],
        records=figures["records"],
        orphans=figures["orphans"],
        difference=difference,
    )
    for side in ("input", "output"):
        ledger, records = figures[f"ledger_{side}_tokens"], figures[f"record_{side}_tokens"]
        report(f"{side} tokens", ledger=ledger, records=records, difference=ledger - records)
    if fault:
        report("after the fault", seconds=round(after_fault, 1), at=datetime.now(UTC).isoformat())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=None, help="only the first N questions")
    parser.add_argument("--fault", choices=["kill", "freeze"], default="")
    chosen = parser.parse_args()
    measure(chosen.workers, chosen.limit, chosen.fault)
