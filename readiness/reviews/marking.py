"""Where the marks in a text begin and end. Plain strings in, plain strings out: the template escapes them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from readiness.lib.marks import cut_at_marks

CONTRADICTED_KINDS = frozenset({"contradicted", "negation"})
"""Kinds of findings that say the opposite of the source; all others say what it does not."""

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*\s*")
_WORD = re.compile(r"\w+")
_LIKE = 0.4
"""Share of words that a sentence of the source must have in common to be shown as the place to look."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text. ``css`` is the class of its mark, empty where nothing was found."""

    text: str
    css: str = ""
    title: str = ""


def mark_spans(text: str, findings: Iterable[Mapping[str, object]]) -> list[Segment]:
    """The text cut at the borders of its findings; together the segments are the text again.

    Findings have ``start`` and ``end`` in characters, ``kind`` and ``scorer``; they may overlap and may reach
    outside of the text, which is ignored.
    """
    spans = [span for finding in findings if (span := _span(finding, len(text)))]
    # Two findings may say the same of one stretch: their places in the list tell them apart.
    pieces = cut_at_marks(text, [(start, end, str(i)) for i, (start, end, _) in enumerate(spans)])
    return [_segment(piece.text, [spans[int(i)][2] for i in piece.kinds]) for piece in pieces]


_Span = tuple[int, int, Mapping[str, object]]


def _span(finding: Mapping[str, object], length: int) -> _Span | None:
    start, end = finding.get("start"), finding.get("end")
    if not isinstance(start, int) or not isinstance(end, int):
        return None
    start, end = max(0, start), min(end, length)
    return (start, end, finding) if start < end else None


def _segment(text: str, covering: Sequence[Mapping[str, object]]) -> Segment:
    if not covering:
        return Segment(text)
    kinds = {str(finding.get("kind", "")) for finding in covering}
    css = "evidence" if kinds == {"evidence"} else "contradicted" if kinds & CONTRADICTED_KINDS else "missing"
    return Segment(text, css, "; ".join(dict.fromkeys(map(finding_words, covering))))


def finding_words(finding: Mapping[str, object]) -> str:
    """What a finding says, for the mark's title and the list: ``number not in the source (details)``."""
    kind = str(finding.get("kind", "")) or "finding"
    if kind == "evidence":
        return "closest passage of the source"
    says = "contradicts the source" if kind in CONTRADICTED_KINDS else "not in the source"
    what = "" if kind in {"unsupported", "contradicted"} else f"{kind} "
    scorer = str(finding.get("scorer", "")).replace("_", " ")
    return f"{what}{says}" + (f" ({scorer})" if scorer else "")


def evidence_spans(
    source: str, output: str, findings: Iterable[Mapping[str, object]]
) -> list[dict[str, object]]:
    """For each sentence of the output with a finding: the source's sentence with the most words in common.

    A help for the eye, not a proof; nothing where no sentence shares enough words.
    """
    spans = [span for finding in findings if (span := _span(finding, len(output)))]
    flagged = [
        sentence
        for sentence in _SENTENCE.finditer(output)
        if any(start < sentence.end() and sentence.start() < end for start, end, _ in spans)
    ]
    candidates = list(_SENTENCE.finditer(source))
    found = {match.span() for sentence in flagged if (match := _closest(sentence.group(), candidates))}
    return [{"start": start, "end": end, "kind": "evidence"} for start, end in sorted(found)]


def _closest(sentence: str, candidates: Iterable[re.Match[str]]) -> re.Match[str] | None:
    wanted = _words(sentence)
    if not wanted:
        return None
    shares = [(len(wanted & _words(c.group())) / len(wanted), -c.start(), c) for c in candidates]
    share, _, match = max(shares, default=(0.0, 0, None), key=lambda entry: entry[:2])
    return match if share >= _LIKE else None


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
