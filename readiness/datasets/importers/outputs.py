"""Checks that both formats of recorded outputs share."""

from collections import Counter
from typing import Any

from readiness.datasets.importers.base import MODEL_LENGTH, IssueLog, Row
from readiness.datasets.importers.mapping import as_text

LONGEST_LATENCY_MS = 2_147_483_647
EXTERNAL_ID_LENGTH = 100
MOST_TRIALS = 1000


class Trials:
    """Numbers the answers of one model to one example: the row's own number, or else the next free one."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, int], int] = {}
        self._last: Counter[tuple[str, str]] = Counter()

    def of(self, row: Row, uid: str, model: str, log: IssueLog) -> int:
        trial = whole_number(row, "trial", log, lowest=1, highest=MOST_TRIALS)
        if trial is None:
            trial = self._last[uid, model] + 1
            while (uid, model, trial) in self._rows:
                trial += 1
            self._last[uid, model] = trial
        if trial > MOST_TRIALS:
            log.add(row.number, "trial", f"More than {MOST_TRIALS} answers of {model} to one example.")
        elif earlier := self._rows.get((uid, model, trial)):
            log.add(row.number, "trial", f"Row {earlier} already holds trial {trial} of {model} on {uid}.")
        self._rows[uid, model, trial] = row.number
        return trial


def required_text(row: Row, column: str, log: IssueLog, *, limit: int | None = None) -> str:
    """A text without outer spaces that must be there; empty, with an issue, where it is not."""
    issues = log.total
    text = optional_text(row, column, log, limit=limit).strip()
    if not text and log.total == issues:
        log.add(row.number, column, f"“{column}” is missing or empty.")
    return text


def answer_of(row: Row, column: str, log: IssueLog) -> str:
    """The recorded answer exactly as it came: empty is an answer, a missing one is an issue."""
    if row.fields.get(column) is None:
        log.add(row.number, column, f"“{column}” is missing.")
    return optional_text(row, column, log)


def optional_text(row: Row, column: str, log: IssueLog, *, limit: int | None = None) -> str:
    try:
        text = as_text(row.fields.get(column), joined=True)
    except ValueError as error:
        log.add(row.number, column, str(error))
        return ""
    if limit and len(text) > limit:
        log.add(row.number, column, f"Longer than {limit} characters ({len(text)}).")
    return text


def model_of(row: Row, log: IssueLog) -> str:
    return required_text(row, "model", log, limit=MODEL_LENGTH)


def hallucinated_of(row: Row, log: IssueLog) -> bool | None:
    """The human label: true or false, 1 or 0; None where the row has none."""
    value = row.fields.get("hallucinated")
    if value is None or value in (True, False):
        return None if value is None else bool(value)
    log.add(row.number, "hallucinated", "The label must be true, false, 1, 0 or null.")
    return None


def whole_number(row: Row, column: str, log: IssueLog, *, lowest: int, highest: int) -> int | None:
    """A whole number in the range; None where the row has none, with an issue where it is something else."""
    value = row.fields.get(column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        log.add(row.number, column, f"Must be a number from {lowest} to {highest:,}.")
        return None
    return round(value)


def spans_of(row: Row, column: str, kind_key: str, text: str, log: IssueLog) -> list[dict[str, Any]]:
    """Human-marked stretches as ``{"start", "end", "kind"}`` in characters of ``text``, in its order."""
    value = row.fields.get(column)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(span, dict) for span in value):
        log.add(row.number, column, 'Must be a list such as [{"start": 0, "end": 7, "kind": "…"}].')
        return []
    spans = []
    for span in value:
        start, end = span.get("start"), span.get("end")
        if problem := _span_problem(start, end, span.get("text"), text):
            log.add(row.number, column, problem)
        else:
            spans.append({"start": start, "end": end, "kind": str(span.get(kind_key, ""))})
    return sorted(spans, key=lambda span: (span["start"], span["end"]))


def _span_problem(start: object, end: object, quoted: object, text: str) -> str:
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        return f"A span from {start} to {end} does not lie inside the answer of {len(text)} characters."
    if isinstance(quoted, str) and text[start:end] != quoted:
        return f"The span from {start} to {end} is not the text that it quotes; count in characters, from 0."
    return ""
