"""JSONL: one JSON object per line."""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from readiness.datasets.importers.base import IssueLog, Row
from readiness.datasets.importers.lines import not_utf8

FLATTENED_LEVELS = 3
"""Nested objects become columns such as ``vars.question`` down to this level."""

_KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}


def read(lines: Iterator[tuple[int, bytes]], log: IssueLog) -> Iterator[Row]:
    """A row per object; blank lines are passed over, other lines become issues."""
    for number, raw in lines:
        try:
            text = raw.decode().rstrip()
        except UnicodeDecodeError as error:
            log.add(number, "", not_utf8(error))
            continue
        if text and (record := _parse(number, text, log)) is not None:
            yield Row(number=number, fields=record)


def _parse(number: int, text: str, log: IssueLog) -> dict[str, Any] | None:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        log.add(number, "", f"Not valid JSON at character {error.pos + 1}: {error.msg}.")
    except RecursionError:
        log.add(number, "", "The JSON is nested too deeply.")
    except ValueError as error:
        log.add(number, "", str(error))
    else:
        if not isinstance(value, dict):
            found = _KINDS.get(type(value), "null")
            log.add(number, "", f'Each line must be one object such as {{"question": "…"}}; found {found}.')
            return None
        return _flatten(number, value, log)
    return None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number.")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"The number {text[:20]} is too large.")
    return value


def _flatten(number: int, record: dict[str, Any], log: IssueLog) -> dict[str, Any] | None:
    """Nested objects as dotted names; None, with an issue, where two values would get the same name."""
    fields: dict[str, Any] = {}
    waiting = [("", 1, record)]
    while waiting:
        prefix, level, values = waiting.pop()
        for key, value in values.items():
            name = f"{prefix}{key}"
            if isinstance(value, dict) and value and level < FLATTENED_LEVELS:
                waiting.append((f"{name}.", level + 1, value))
            elif name in fields:
                log.add(number, name, "Two values have this name; rename one of them.")
                return None
            else:
                fields[name] = value
    return fields
