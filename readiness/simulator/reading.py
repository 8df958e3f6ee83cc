"""Reading a prompt: where its question, its source and the answer to be judged are."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from readiness.simulator.wire import Message

_SOURCE = re.compile(
    r"^[ \t#*]*(?:source|context|passage|document)s?[ \t]*:[ \t*]*", re.IGNORECASE | re.MULTILINE
)
_QUESTION = re.compile(r"^[ \t#*]*question[ \t]*:[ \t*]*", re.IGNORECASE | re.MULTILINE)
_ANSWER = re.compile(r"^[ \t#*]*answer[ \t]*:[ \t*]*", re.IGNORECASE | re.MULTILINE)
_PARAGRAPHS = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Task:
    """A question with the passage it is to be answered from; an empty passage means that none was given."""

    question: str
    passage: str


@dataclass(frozen=True, slots=True)
class JudgingTask:
    """An answer with the source that must support it."""

    question: str
    source: str
    answer: str


def read_task(messages: Sequence[Message]) -> Task:
    """The question and the passage of a conversation.

    The passage is what follows a line such as ``Source:`` or ``Context:`` in the newest message that has one,
    else the longest part of what the caller sent beside the question. Earlier answers are never a passage.
    """
    given = [message for message in messages if message.role != "assistant"]
    for message in reversed(given):
        labelled = _labelled(message.text)
        if labelled is not None:
            return labelled if labelled.question else Task(_other_text(given, message), labelled.passage)
    parts = [part for message in given for part in message.content if part.strip()]
    if len(parts) < 2:
        return _split_paragraphs(parts[0] if parts else "")
    alone = _split_paragraphs(parts[-1])
    if alone.passage:
        return alone
    return Task(question=parts[-1].strip(), passage=max(parts[:-1], key=len).strip())


def _labelled(text: str) -> Task | None:
    source = _SOURCE.search(text)
    if source is None:
        return None
    before, after = text[: source.start()], text[source.end() :]
    question = _QUESTION.search(before)
    if question is not None:
        passage, asked = _without_answer_cue(after), before[question.end() :]
        return Task(asked.strip(), passage.strip())
    # The question follows: the last such line, because the passage may have lines like it.
    following = list(_QUESTION.finditer(after))
    if following:
        asked = _without_answer_cue(after[following[-1].end() :])
        return Task(asked.strip(), after[: following[-1].start()].strip())
    return Task(before.strip(), _without_answer_cue(after).strip())


def _without_answer_cue(text: str) -> str:
    """Drop a closing ``Answer:`` line that only invites the model to speak."""
    cues = list(_ANSWER.finditer(text))
    return text[: cues[-1].start()] if cues and not text[cues[-1].end() :].strip() else text


def _other_text(messages: Sequence[Message], passage_message: Message) -> str:
    """The question when its message holds nothing but the passage: the newest other thing the user said."""
    asked = [m.text for m in messages if m is not passage_message and m.role == "user"]
    return asked[-1].strip() if asked else ""


def _split_paragraphs(text: str) -> Task:
    """One unlabelled text: its last paragraph that ends in "?", else its shorter end, asks about the rest."""
    paragraphs = [part.strip() for part in _PARAGRAPHS.split(text) if part.strip()]
    if len(paragraphs) < 2:
        return Task(text.strip(), "")
    asking = [number for number, part in enumerate(paragraphs) if part.endswith("?")]
    ends = (0, len(paragraphs) - 1)
    chosen = asking[-1] if asking else min(ends, key=lambda number: len(paragraphs[number]))
    rest = [part for number, part in enumerate(paragraphs) if number != chosen]
    return Task(paragraphs[chosen], "\n\n".join(rest))


def read_judging_task(messages: Sequence[Message]) -> JudgingTask | None:
    """What a judge is asked, from the newest message that has the sections; None when no message has them.

    The source begins at the first ``Source:`` line and ends at the last ``Answer:`` line, because a source
    may itself have lines that look like a section.
    """
    for message in reversed(messages):
        text = message.text
        source = _SOURCE.search(text)
        answers = list(_ANSWER.finditer(text, source.end())) if source else []
        if source is None or not answers:
            continue
        question = _QUESTION.search(text, 0, source.start())
        return JudgingTask(
            question=text[question.end() : source.start()].strip() if question else "",
            source=text[source.end() : answers[-1].start()].strip(),
            answer=text[answers[-1].end() :].strip(),
        )
    return None
