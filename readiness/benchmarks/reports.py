"""The figures of a run as lines of text, for terminals and logs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from readiness.benchmarks.results import Results
from readiness.benchmarks.tables import comparison
from readiness.providers.models import Deployment


def comparison_lines(results: Results, deployments: Mapping[int, Deployment]) -> Iterator[str]:
    """A table of metrics by model, then how far the scorers agree with people."""
    table = comparison(results, deployments)
    names = [deployment.name for deployment in table.columns]
    rows = [
        [row.title, *(f"{f.text} [{f.interval}]" if f.n else f.text for f in row.figures)]
        for row in table.rows
    ]
    yield from _columns(
        [["", *names], ["answers", *(f"{a:,} ({f:,} failed)" for a, f in table.answered)], *rows]
    )
    if table.agreements:
        yield ""
        header = ["against human labels", "n", "precision", "recall", "F1", "AUROC"]
        lines = [[a.title, f"{a.n:,}", a.precision, a.recall, a.f1, a.area] for a in table.agreements]
        yield from _columns([header, *lines])


def _columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
