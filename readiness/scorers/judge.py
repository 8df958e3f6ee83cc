"""A judge: a model that is asked whether the source supports the answer. The call itself comes from above."""

import re
from collections.abc import Awaitable, Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from readiness.scorers.base import Sample, Score, Span, Status, abstain

Complete = Callable[[str, str], Awaitable[str]]
"""Sends a system prompt and a user prompt to the judge's model and returns its text."""

_PLACEHOLDER = re.compile(r"\{(question|source|answer)\}")
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)


class _Verdict(BaseModel):
    """What the judge has to reply, and nothing beside it."""

    model_config = ConfigDict(strict=True)

    verdict: Literal["supported", "unsupported"]
    spans: list[str]
    """Quotes of what is unsupported in the answer."""
    reason: str


async def score(sample: Sample, complete: Complete, *, system: str, template: str) -> Score:
    """1 where the judge finds the answer supported by its source, 0 where it does not.

    ``template`` has the places ``{question}``, ``{source}`` and ``{answer}``. A reply that is no verdict,
    or one that contradicts itself, abstains. Whatever ``complete`` raises goes through: a failed call is no
    verdict.
    """
    if not (sample.source or "").strip():
        return abstain("There is no source to check the answer against.")
    return read_verdict(await complete(system, _fill(template, sample)), sample.answer)


def _fill(template: str, sample: Sample) -> str:
    """The template with the sample in it; braces within the sample's own texts stay what they are."""
    texts = {"question": sample.question, "source": sample.source or "", "answer": sample.answer}
    return _PLACEHOLDER.sub(lambda match: texts[match.group(1)], template)


def read_verdict(reply: str, answer: str) -> Score:
    """The score of a judge's reply, its quotes found again in the answer."""
    fenced = _FENCED.fullmatch(reply)
    try:
        verdict = _Verdict.model_validate_json(fenced.group(1) if fenced else reply)
    except ValidationError:
        return abstain("The judge's reply is not the verdict it was asked for.")
    supported = verdict.verdict == "supported"
    if supported and verdict.spans:
        return abstain("The judge calls the answer supported and quotes unsupported parts of it.")
    found = [_locate(quote, answer) for quote in verdict.spans]
    lost = found.count(None)
    note = f" ({lost} of its {len(found)} quotes are not in the answer.)" if lost else ""
    return Score(
        status=Status.OK,
        value=1.0 if supported else 0.0,
        label=verdict.verdict,
        spans=tuple(sorted({span for span in found if span}, key=lambda span: (span.start, span.end))),
        explanation=f"{verdict.reason.strip()}{note}",
    )


def _locate(quote: str, answer: str) -> Span | None:
    """Where the answer has the quote: to the letter, else whatever its case and blanks."""
    words = quote.split()
    if not words:
        return None
    start = answer.find(quote)
    end = start + len(quote)
    if start < 0:
        match = re.search(r"\s+".join(map(re.escape, words)), answer, re.IGNORECASE)
        if match is None:
            return None
        start, end = match.span()
    return Span(start, end, "unsupported", answer[start:end])
