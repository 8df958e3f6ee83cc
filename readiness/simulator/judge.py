"""The simulated judge: does the source support the answer?

Compares sentence by sentence: numbers and names that the source lacks, negations that it has the other way
round, and sentences most of whose words it lacks. A seeded share of verdicts is turned into its opposite, as
real judges err.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random

from readiness.simulator.language import (
    content_stems,
    name_spans,
    negations,
    number_spans,
    number_value,
    number_values,
    sentences,
    stem,
    vocabulary,
    words,
)
from readiness.simulator.reading import JudgingTask

_ABSTAINS = re.compile(
    r"\b(?:source|passage|context|document|text)s?\b.{0,40}\b(?:does|do|did)(?: not|n['’]t)\b"
    r"|\b(?:no|not enough) information\b|\bunable to answer\b",
    re.IGNORECASE,
)
_ABOUT_THE_SOURCE = vocabulary(
    ["according source passage context document text information", "provided given based says states true"]
)
"""Words by which an answer speaks of its source; they claim nothing."""
_UNKNOWN_SHARE = 0.5
_UNKNOWN_WORDS = 3
"""A sentence is unsupported when more than this share, and at least so many, of its words are unknown."""
_SAME_STATEMENT = 0.75
"""Share of a sentence's words that one source sentence must hold for their negations to be comparable."""

_MOST_SPANS = 4
_LONGEST_SPAN = 160
"""Bounds that keep a verdict within 256 tokens; the beginning of a quote is still a quote."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's reply. ``turned`` is True when the seeded error made it the opposite of what was found."""

    supported: bool
    spans: tuple[str, ...]
    reason: str
    turned: bool = False

    def to_json(self) -> str:
        """``{"verdict": "supported" | "unsupported", "spans": [quotes of the answer], "reason": text}``."""
        verdict = "supported" if self.supported else "unsupported"
        found = {"verdict": verdict, "spans": self.spans, "reason": self.reason}
        return json.dumps(found, ensure_ascii=False)


def judge(task: JudgingTask, random: Random, error_rate: float) -> Verdict:
    """The verdict on an answer; ``error_rate`` of them turned, by the given draws."""
    found = examine(task)
    if random.random() >= error_rate:
        return found
    if not found.supported:
        return Verdict(True, (), "The source supports every statement of the answer.", turned=True)
    said = sentences(task.answer)
    spans = _quotes([random.choice(said)] if said else [])
    return Verdict(False, spans, "The source does not support this statement.", turned=True)


def _quotes(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(quote[:_LONGEST_SPAN] for quote in found))[:_MOST_SPANS]


def examine(task: JudgingTask) -> Verdict:
    """What comparing the answer with the source finds, without any seeded error."""
    if not task.answer:
        return Verdict(False, (), "There is no answer to judge.")
    known = _Known(task)
    findings = [finding for sentence in sentences(task.answer) for finding in known.objections(sentence)]
    if not findings:
        return Verdict(True, (), "The source supports every statement of the answer.")
    reasons = "; ".join(dict.fromkeys(reason for _, reason in findings))
    return Verdict(False, _quotes(span for span, _ in findings), f"{reasons.capitalize()}.")


class _Known:
    """What the source and the question say, in the forms that sentences are compared by."""

    def __init__(self, task: JudgingTask) -> None:
        self._stems = vocabulary([task.source, task.question]) | _ABOUT_THE_SOURCE
        self._numbers = number_values(task.source) | number_values(task.question)
        self._statements = [
            (content_stems(sentence), negations(sentence)) for sentence in sentences(task.source)
        ]

    def objections(self, sentence: str) -> Iterator[tuple[str, str]]:
        """(quote, reason) for everything in one sentence of the answer that the source does not support."""
        if _ABSTAINS.search(sentence):
            return
        for start, end in number_spans(sentence):
            if number_value(sentence[start:end]) not in self._numbers:
                yield sentence[start:end], "the source does not have this number"
        for start, end in name_spans(sentence):
            name = sentence[start:end]
            if any(stem(word) not in self._stems for word in words(name)):
                yield name, "the source does not have this name"
        stems = content_stems(sentence) - _ABOUT_THE_SOURCE
        unknown = len(stems - self._stems)
        if unknown >= _UNKNOWN_WORDS and unknown > _UNKNOWN_SHARE * len(stems):
            yield sentence, "most of this sentence is not in the source"
        elif stems and self._contradicted(sentence, stems):
            yield sentence, "the source says the opposite"

    def _contradicted(self, sentence: str, stems: set[str]) -> bool:
        said = negations(sentence)
        alike = [
            denied for known, denied in self._statements if len(stems & known) >= _SAME_STATEMENT * len(stems)
        ]
        # Where the source itself says a thing both ways, neither is called a contradiction.
        return bool(alike) and all((said - denied) % 2 for denied in alike)
