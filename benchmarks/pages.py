"""Server time of the main pages, with the demo as it is seeded and with 100,000 request records more.

    python benchmarks/pages.py [--records 100000]

Each page is asked for through all of Django's layers, in this process, as the demo project's admin: once to
warm up, then seven times. Printed: the median and the worst of the seven in milliseconds.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.stack import report, running_stack

if TYPE_CHECKING:
    from django.test import Client

    from readiness.projects.models import Project

REPEATS = 7
BATCH = 5_000


def addresses(project: "Project") -> Iterator[tuple[str, str]]:
    """(name, address) of every page that is measured."""
    from django.urls import reverse

    run = project.runs.filter(state="done").first()
    assert run is not None
    slug = project.slug
    yield "projects", reverse("projects:list")
    yield "overview", reverse("checklist:overview", args=[slug])
    for number in range(1, 7):
        yield f"step {number}", reverse("checklist:step", args=[slug, number])
    for span in ("1h", "24h", "7d", "30d"):
        yield f"traffic {span}", reverse("telemetry:traffic", args=[slug], query={"range": span})
    yield "benchmarks", reverse("benchmarks:list", args=[slug])
    yield "comparison", reverse("benchmarks:run", args=[slug, run.id])
    yield "answers", reverse("benchmarks:answers", args=[slug, run.id])
    yield "run progress", reverse("benchmarks:progress", args=[slug, run.id])
    yield "datasets", reverse("datasets:list", args=[slug])
    yield "reviews", reverse("reviews:queue", args=[slug])
    yield "quality", reverse("quality:spot_checks", args=[slug])
    yield "limits", reverse("operations:limits", args=[slug])


def measure(client: "Client", project: "Project", state: str) -> None:
    for name, address in addresses(project):
        headers = {"HX-Request": "true"} if name == "run progress" else {}
        response = client.get(address, headers=headers)
        if response.status_code != 200:
            raise SystemExit(f"{name} answered {response.status_code}")
        times = [_timed(client, address, headers) for _ in range(REPEATS)]
        report(
            f"page {name}",
            state=state,
            median_ms=round(statistics.median(times), 1),
            worst_ms=round(max(times), 1),
            kilobytes=round(len(response.content) / 1024),
        )


def _timed(client: "Client", address: str, headers: dict[str, str]) -> float:
    started = time.perf_counter()
    client.get(address, headers=headers)
    return (time.perf_counter() - started) * 1000


def add_records(project: "Project", count: int) -> float:
    """Records over thirty days through the recorder's own writing; returns records per second."""
    from readiness.lib.events import UsageEvent
    from readiness.providers.queries import deployments_of
    from readiness.telemetry.services import write_events

    chance = random.Random(1)
    deployments = [deployment.pk for deployment in deployments_of(project)]
    now = datetime.now(UTC)
    # In the order of time, as events come.
    moments = sorted(now - timedelta(days=30 * chance.random()) for _ in range(count))
    started = time.perf_counter()
    for first in range(0, count, BATCH):
        write_events(
            UsageEvent(
                event_id=f"b{number}",
                request_id=f"b{number}",
                at_ms=int(moments[number].timestamp() * 1000),
                project_id=project.pk,
                deployment_id=chance.choice(deployments),
                tier=chance.choice(["enterprise", "pro", "free"]),
                http_status=200,
                input_tokens=chance.randrange(2000),
                output_tokens=chance.randrange(300),
                cost_nanos=chance.randrange(2_000_000),
                provider_ms=int(chance.lognormvariate(6, 0.5)),
                ttft_ms=int(chance.lognormvariate(5, 0.4)),
            )
            for number in range(first, min(first + BATCH, count))
        )
    return count / (time.perf_counter() - started)


def main(records: int) -> None:
    os.environ |= {"READINESS_DEMO_PASSWORD": "benchmark-pages", "READINESS_ALLOWED_HOSTS": "testserver"}
    with running_stack():
        from django.conf import settings
        from django.core.management import call_command
        from django.test import Client

        # Static files are not collected for a measurement.
        settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
        call_command("seed_demo", verbosity=0)
        from readiness.accounts.models import User
        from readiness.projects.models import Project

        project = Project.objects.get(is_demo=True)
        client = Client()
        client.force_login(User.objects.get(username="alice"))
        measure(client, project, "demo")
        report("recording", records=records, per_second=round(add_records(project, records)))
        measure(client, project, f"demo and {records:,} records")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=100_000)
    main(parser.parse_args().records)
