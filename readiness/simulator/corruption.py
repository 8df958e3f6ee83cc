"""Seeded hallucination: one number, one name or one negation of an answer is altered.

The altered number or name stands nowhere in the passage, so that what was invented is certain.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from readiness.simulator.language import (
    NUMBER_WORDS,
    name_spans,
    number_spans,
    number_value,
    number_values,
    vocabulary,
)

_NAMES = (
    "Marlow", "Tessaly", "Quillon", "Bryndale", "Orvane", "Castelmere", "Halvorsen", "Ilverton", "Dunmarch",
    "Pellworth", "Savernake", "Thornbury", "Wexmoor", "Yardley", "Zellwood", "Ashcombe",
)  # fmt: skip
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_NEGATED = re.compile(
    r"\b(?P<be>is|are|was|were|do|does|did|can|could|will|would|should|must|may|has|have|had) not\b"
    r"|\b(?P<cannot>cannot|can['’]t)\b|\b(?P<wont>won['’]t)\b|\b(?P<stem>\w+)n['’]t\b|\b(?P<never>never)\b",
    re.IGNORECASE,
)
_AUXILIARY = re.compile(r"\b(?:is|are|was|were|can|could|will|would|should|must|may)\b(?! not\b|n['’]t)")
_LONGEST_NUMBER = 18
"""Characters. Longer rows of digits are codes, and Python refuses to read thousands of digits as a number."""
_DENIAL = "It is not true that "


@dataclass(frozen=True, slots=True)
class Alteration:
    """What was altered, and where the altered text ends (an answer may be cut before it)."""

    kind: str
    before: str
    after: str
    end: int


@dataclass(frozen=True, slots=True)
class Altered:
    """The new text and the change that made it."""

    text: str
    alteration: Alteration


def alter(sentence: str, passage: str, random: Random) -> Altered:
    """The sentence with one alteration. Every text has one: in the last resort it is denied as a whole."""
    attempts: list[tuple[float, Callable[[str, str, Random], Altered | None]]] = [
        (0.5, _alter_number),
        (0.3, _alter_name),
        (0.2, _alter_negation),
    ]
    # Weighted order: a key of u^(1/w) sorts as drawing without replacement by weight would.
    attempts.sort(key=lambda attempt: random.random() ** (1 / attempt[0]), reverse=True)
    for _, attempt in attempts:
        altered = attempt(sentence, passage, random)
        if altered is not None:
            return altered
    return _replaced(sentence, "negation", (0, 0), _DENIAL)


def _replaced(text: str, kind: str, span: tuple[int, int], new: str) -> Altered:
    start, end = span
    return Altered(
        text=text[:start] + new + text[end:],
        alteration=Alteration(kind, before=text[start:end], after=new, end=start + len(new)),
    )


def _alter_number(sentence: str, passage: str, random: Random) -> Altered | None:
    spans = [(start, end) for start, end in number_spans(sentence) if end - start <= _LONGEST_NUMBER]
    if not spans:
        return None
    span = random.choice(spans)
    old, known = sentence[slice(*span)], number_values(passage)
    new = _other_digits(old, known, random) if old[0].isdigit() else _other_word(old, known, random)
    return _replaced(sentence, "number", span, new) if new else None


def _other_digits(old: str, known: set[str], random: Random) -> str:
    """A number of the same form (decimals, thousands' commas, leading zeros) that ``known`` does not hold."""
    whole, point, decimals = old.partition(".") if old.count(".") == 1 else (old, "", "")
    plain = re.sub(r"\D", "", whole)
    is_year = len(whole) == 4 and whole[:2] in {"18", "19", "20"}
    reach = 9 if is_year else max(3, int(plain) // 2)
    step = random.choice((-1, 1)) * random.randint(1, reach)
    while True:
        value = int(plain) + step
        if value > 0:
            digits = f"{value:,}" if "," in whole else str(value).zfill(len(plain))
            new = f"{digits}{point}{decimals}"
            if number_value(new) not in known:
                return new
        step = -step if step < 0 else step + 1


def _other_word(old: str, known: set[str], random: Random) -> str:
    choices = [word for word in NUMBER_WORDS if number_value(word) not in known]
    return _like(old, random.choice(choices)) if choices else ""


def _alter_name(sentence: str, passage: str, random: Random) -> Altered | None:
    spans = name_spans(sentence)
    if not spans:
        return None
    start, end = random.choice(spans)
    old = sentence[start:end].split(" ")[0]
    bare = re.split(r"['’]", old)[0]
    known = vocabulary([passage])
    pool = next((group for group in (_MONTHS, _WEEKDAYS) if bare in group), _NAMES)
    choices = [name for name in pool if not vocabulary([name]) & known]
    if not choices:
        return None
    return _replaced(sentence, "name", (start, start + len(bare)), random.choice(choices))


def _alter_negation(sentence: str, _passage: str, _random: Random) -> Altered | None:
    negated = _NEGATED.search(sentence)
    if negated is not None:
        return _replaced(sentence, "negation", negated.span(), _like(negated.group(), _affirmed(negated)))
    auxiliary = _AUXILIARY.search(sentence)
    if auxiliary is not None:
        return _replaced(sentence, "negation", auxiliary.span(), f"{auxiliary.group()} not")
    return None


def _affirmed(negated: re.Match[str]) -> str:
    found = {name: value for name, value in negated.groupdict().items() if value}
    (name, value), *_ = found.items()
    return {"cannot": "can", "wont": "will", "never": "always"}.get(name, value)


def _like(old: str, new: str) -> str:
    """``new`` with a capital where ``old`` has one."""
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
