"""``manage.py drill NAME``: hold a drill of the limiter, here and now."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from readiness.operations.drill_queries import Report
from readiness.operations.drill_services import AnotherDrillError, cancel_drill, hold_drill, start_drill
from readiness.operations.drills.catalogue import DRILLS
from readiness.operations.models import DrillReport
from readiness.projects.models import Project


class Command(BaseCommand):
    """Exits with 1 when an expectation was not met or the drill could not be held."""

    help = "Holds a drill of the limiter against the simulated AI service, and stores its report."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="which drill; --list names them")
        parser.add_argument("--list", action="store_true", dest="lists", help="name the drills and end")
        parser.add_argument("--project", metavar="SLUG", help="for this project's checklist only")
        parser.add_argument("--quick", action="store_true", help="a rehearsal of seconds, no evidence")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["lists"]:
            for name, drill in DRILLS.items():
                self.stdout.write(f"{name:<13} {drill.seconds:>3} s  {drill.about}")
            return
        if options["name"] not in DRILLS:
            raise CommandError(f"Name one of the drills: {', '.join(DRILLS)}.")
        report = self._hold(options["name"], _project(options["project"]), quick=options["quick"])
        self.stdout.write(json.dumps(_as_json(report), indent=2) if options["as_json"] else _as_text(report))
        if not report.passed:
            sys.exit(1)

    def _hold(self, name: str, project: Project | None, *, quick: bool) -> Report:
        try:
            row = start_drill(name=name, project=project, actor=None, now=timezone.now(), quick=quick)
        except AnotherDrillError as error:
            raise CommandError(str(error)) from None
        try:
            hold_drill(report_id=row.pk)
        finally:
            # Interrupted, it must not keep the next one from starting; one that has ended stays as it is.
            cancel_drill(report_id=row.pk, now=timezone.now())
        return Report(DrillReport.objects.get(pk=row.pk))


def _project(slug: str | None) -> Project | None:
    if not slug:
        return None
    try:
        return Project.objects.get(slug=slug)
    except Project.DoesNotExist:
        raise CommandError(f"There is no project {slug!r}.") from None


def _as_json(report: Report) -> dict[str, Any]:
    row = report.row
    return {
        "name": row.name,
        "state": row.state,
        "passed": report.passed,
        "simulated": True,
        "rehearsal": row.quick,
        "trouble": row.trouble,
        "seconds": report.seconds,
        "findings": [finding.to_row() | {"met": finding.met} for finding in report.findings],
        "moments": row.moments,
    }


def _as_text(report: Report) -> str:
    """The time line, then a line for each figure."""
    lines = [f"{report.title} (simulated{', a rehearsal' if report.row.quick else ''})"]
    lines += [f"  {moment.at_s:7.1f} s  {moment.what}" for moment in report.moments]
    marks = {True: "met    ", False: "NOT MET", None: "       "}
    for finding in report.findings:
        expected = f" ({finding.expected_words})" if finding.expected_words else ""
        lines.append(f"  {marks[finding.met]}  {finding.label}: {finding.measured_words}{expected}")
    verdict = {True: "Passed.", False: "Failed.", None: report.row.trouble or "Cancelled."}
    return "\n".join([*lines, verdict[report.passed]])
