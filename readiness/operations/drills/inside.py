"""The arena's own process: ``python -m readiness.operations.drills.inside``, started by ``arena.hold``.

It reads its task as one line of JSON, writes what happens as lines of JSON, and ends when its input does.
"""

import asyncio
import json
import os
import signal
import sys
import threading
from secrets import token_hex
from typing import Any

import django


def main() -> None:
    """Holds one drill in the empty Redis and database that the environment names."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readiness.settings")
    django.setup()
    task = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_input, daemon=True).start()
    _make_tables(task["tiers"])
    _say(asyncio.run(_hold(task)))


def _end_with_input() -> None:
    """Whoever started us is gone or has had enough; what we started goes with us."""
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


def _make_tables(tiers: list[dict[str, Any]]) -> None:
    """Straight from the models: there is no data that migrations would have to carry along."""
    from django.apps import apps
    from django.conf import settings
    from django.core.management import call_command

    from readiness.projects.models import Tier

    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)
    for columns in tiers:
        Tier.objects.create(**columns)


async def _hold(task: dict[str, Any]) -> dict[str, Any]:
    """The last line: a report, or why there is none."""
    from readiness.operations.drills.base import DrillRefusedError
    from readiness.operations.drills.catalogue import DRILLS
    from readiness.operations.drills.simulated import NotSimulatedError
    from readiness.operations.drills.stage import set_up

    drill = DRILLS[task["drill"]]()
    try:
        stage = await set_up(
            drill.name,
            drill.profile(),
            drill.quota,
            # A name of its own: faults that a broken-off drill left behind must not meet the next one.
            model=f"drill-{drill.name}-{token_hex(4)}",
            quick=task["quick"],
            tell=lambda moment: _say({"moment": moment.to_row()}),
            redis_pid=task["redis_pid"],
        )
        await drill.run(stage)
        await stage.read_incidents()
    except (DrillRefusedError, NotSimulatedError) as error:
        return {"refused": str(error)}
    return {
        "findings": [finding.to_row() for finding in stage.findings],
        "moments": [moment.to_row() for moment in stage.moments],
    }


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)  # noqa: T201 - whoever started us reads it


if __name__ == "__main__":
    main()
