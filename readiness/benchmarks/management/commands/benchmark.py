"""``manage.py benchmark run|list|show``: benchmarks from the command line and from CI."""

import asyncio
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from readiness.benchmarks.choices import ChoiceError, find_plan, find_project, find_run
from readiness.benchmarks.queries import results_of
from readiness.benchmarks.reports import comparison_lines
from readiness.benchmarks.services import BenchmarkPlan, estimate, start
from readiness.evaluations.models import Run, RunState
from readiness.evaluations.queries import progress, runs_of
from readiness.evaluations.runner import run_shard
from readiness.evaluations.services.runs import RunRefusedError
from readiness.lib.formats import format_seconds
from readiness.lib.money import format_usd

INCOMPLETE, BUDGET_SPENT, UNREACHABLE = 4, 5, 6
"""Exit codes as of the release gate: a run would decide, money is spent, a server does not answer."""


class Command(BaseCommand):
    """Runs in this process: nothing else has to be started, and a killed command can be run again."""

    help = "Starts, lists and shows benchmarks."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        run = verbs.add_parser("run", help="start a benchmark and wait for its end")
        run.add_argument("--project", required=True, help="slug of the project")
        run.add_argument(
            "--dataset", required=True, help="NAME or NAME@VERSION; the newest version by default"
        )
        run.add_argument("--recorded", action="store_true", help="score the imported outputs of all models")
        run.add_argument("--deployments", default="", help="names of deployments, separated by commas")
        run.add_argument("--prompt", default="", help="NAME or NAME@VERSION; the newest version by default")
        run.add_argument("--scorers", default="", help="names of scorers; all that apply by default")
        run.add_argument("--judge", default="", help="name of the deployment that judges")
        run.add_argument("--trials", type=int, default=1)
        run.add_argument("--budget", default="", help="hard limit in US dollars")
        run.add_argument("--name", default="")
        listing = verbs.add_parser("list", help="list the benchmarks of a project")
        listing.add_argument("--project", required=True)
        show = verbs.add_parser("show", help="print the figures of a benchmark")
        show.add_argument("run", help="id of the run, or its first characters")

    def handle(self, *args: Any, **options: Any) -> None:
        verbs: dict[str, Callable[[dict[str, Any]], int]] = {
            "run": self._start,
            "list": self._list,
            "show": self._show,
        }
        try:
            code = verbs[options["verb"]](options)
        except (ChoiceError, RunRefusedError) as error:
            raise CommandError(str(error), returncode=2) from error
        if code:
            sys.exit(code)

    def _start(self, options: dict[str, Any]) -> int:
        plan = find_plan(options)
        self._announce(plan)
        run = start(plan, by=None, on=timezone.now().date())
        self.stdout.write(f"run {run.id}")
        asyncio.run(self._work(run))
        run.refresh_from_db()
        self._print(run)
        return self._exit_code(run)

    def _announce(self, plan: BenchmarkPlan) -> None:
        planned = estimate(plan, timezone.now().date())
        seconds = "" if planned.seconds is None else f", at least {format_seconds(planned.seconds)}"
        self.stdout.write(
            f"{plan.dataset_version}: {planned.cells:,} answers of {len(plan.deployments)} models, "
            f"estimated {format_usd(planned.expected_nanos)}{seconds}"
        )
        if planned.unpriced:
            self.stdout.write(f"without the price of {', '.join(planned.unpriced)}, which nobody knows")

    async def _work(self, run: Run) -> None:
        """Shards one after the other until the run takes no more; prints how far it is."""
        reporting = asyncio.create_task(self._report_progress(run))
        try:
            while (await run_shard(run.id, clock=timezone.now)).more:
                pass
        finally:
            reporting.cancel()

    async def _report_progress(self, run: Run) -> None:
        while True:
            await asyncio.sleep(5)
            now = await sync_to_async(progress)(run, timezone.now())
            self.stdout.write(f"{now.finished:,} of {now.total:,} done, {now.failed:,} failed")

    def _exit_code(self, run: Run) -> int:
        if run.state == RunState.BUDGET_STOPPED:
            return BUDGET_SPENT
        if run.state != RunState.DONE:
            self.stderr.write(run.state_reason or "The run is not over: a worker goes on with it.")
            return UNREACHABLE if run.state in (RunState.RUNNING, RunState.QUEUED) else INCOMPLETE
        return INCOMPLETE if progress(run, timezone.now()).incomplete else 0

    def _list(self, options: dict[str, Any]) -> int:
        for run in runs_of(find_project(options["project"])):
            self.stdout.write(f"{run.id}  {run.created_at:%Y-%m-%d %H:%M}  {run.state:<14}  {run.name}")
        return 0

    def _show(self, options: dict[str, Any]) -> int:
        self._print(find_run(options["run"]))
        return 0

    def _print(self, run: Run) -> None:
        names = {deployment.pk: deployment for deployment in run.deployments.select_related("account")}
        for line in comparison_lines(results_of(run), names):
            self.stdout.write(line)
