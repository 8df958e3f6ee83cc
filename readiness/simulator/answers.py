"""Answers by extraction: the sentences of the passage that fit the question best, sometimes altered."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from readiness.simulator.corruption import Alteration, alter
from readiness.simulator.language import content_stems, sentences
from readiness.simulator.reading import Task

ABSTENTION = "The source does not say."
NO_SOURCE = "I can only answer from a source, and this request has none."

_ENOUGH_OVERLAP = 0.25
"""Share of the question's weight that the best sentence must hold; below it the model abstains."""
_SECOND_SENTENCE = 0.2
"""Share of the question's weight that a second sentence must add to be worth saying."""
_LEAD_INS = ("According to the source: ", "The source says: ")
_LEAD_IN_RATE = 0.25
_USUAL_LENGTH = 30
"""Words that carry meaning, beyond which a sentence must hold more of the question to be chosen."""
_PASSAGE_LABEL = re.compile(r"^[ \t]*(?:passage|document|source|chunk)[ \t]*\d+[ \t]*:[ \t]*", re.I | re.M)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says. ``alteration`` is what was invented, None for a faithful answer."""

    text: str
    alteration: Alteration | None = None


def answer(task: Task, random: Random, hallucination_rate: float) -> Answer:
    """The model's answer. A hallucinating one never abstains, and part of it is wrong."""
    hallucinates = random.random() < hallucination_rate
    lead_in = random.choice(_LEAD_INS) if random.random() < _LEAD_IN_RATE else ""
    found = sentences(_PASSAGE_LABEL.sub("", task.passage))
    if not found:
        return Answer(NO_SOURCE)
    chosen, overlap = _best_sentences(task.question, found)
    if not hallucinates:
        return Answer(lead_in + " ".join(chosen)) if overlap >= _ENOUGH_OVERLAP else Answer(ABSTENTION)
    # Names of the question count as known too: repeating one would be no invention.
    first = alter(chosen[0], f"{task.passage}\n{task.question}", random)
    change = first.alteration
    text = lead_in + " ".join([first.text, *chosen[1:]])
    return Answer(text, Alteration(change.kind, change.before, change.after, len(lead_in) + change.end))


def _best_sentences(question: str, found: Sequence[str]) -> tuple[list[str], float]:
    """One or two sentences and the share of the question's weight that they cover.

    Words weigh by inverse document frequency over the passage's sentences, ln(1 + N / df): rare ones decide.
    """
    asked = content_stems(question)
    stems = [content_stems(sentence) for sentence in found]
    frequency = Counter(stem for each in stems for stem in each & asked)
    # A word that the passage lacks weighs as if one sentence had it, the most that a present one can weigh.
    weight = {stem: math.log(1 + len(found) / (frequency[stem] or 1)) for stem in asked}
    total = sum(weight.values())
    if not total:
        return [found[0]], 0.0

    def value(number: int) -> float:
        covered = sum(weight[stem] for stem in stems[number] & asked)
        return covered / total / math.sqrt(max(1.0, len(stems[number]) / _USUAL_LENGTH))

    best = max(range(len(found)), key=value)
    overlap = sum(weight[stem] for stem in stems[best] & asked) / total
    missing = asked - stems[best]

    def added(number: int) -> float:
        return sum(weight[stem] for stem in stems[number] & missing) / total

    second = max(range(len(found)), key=added)
    if added(second) >= _SECOND_SENTENCE:
        return [found[number] for number in sorted((best, second))], overlap
    return [found[best]], overlap
