"""Marks: whatever a scorer reports, the text stays the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.reviews.marking import Segment, evidence_spans, finding_words, mark_spans

ENDS = st.integers(-5, 40) | st.none() | st.text(max_size=2)
FINDINGS = st.lists(
    st.fixed_dictionaries({"start": ENDS, "end": ENDS, "kind": st.sampled_from(["number", "negation", ""])}),
    max_size=6,
)


@given(st.text(max_size=30), FINDINGS)
def test_segments_are_the_text_again(text, findings):
    assert "".join(segment.text for segment in mark_spans(text, findings)) == text


@given(st.text(min_size=1, max_size=30), FINDINGS)
def test_a_character_is_marked_exactly_when_a_finding_covers_it(text, findings):
    marks = [bool(s.css) for s in mark_spans(text, findings) for _ in s.text]
    covered = [
        any(
            isinstance(f["start"], int) and isinstance(f["end"], int) and f["start"] <= i < f["end"]
            for f in findings
        )
        for i in range(len(text))
    ]
    assert marks == covered


def test_overlap_of_two_findings_names_both_and_the_stronger_colours_it():
    findings = [
        {"start": 0, "end": 6, "kind": "number", "scorer": "unsupported_details"},
        {"start": 4, "end": 8, "kind": "negation", "scorer": "unsupported_details"},
    ]
    assert mark_spans("abcdefgh", findings) == [
        Segment("abcd", "missing", "number not in the source (unsupported details)"),
        Segment(
            "ef",
            "contradicted",
            "number not in the source (unsupported details); "
            "negation contradicts the source (unsupported details)",
        ),
        Segment("gh", "contradicted", "negation contradicts the source (unsupported details)"),
    ]


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        ({"kind": "unsupported", "scorer": "judge"}, "not in the source (judge)"),
        ({"kind": "evidence"}, "closest passage of the source"),
        ({}, "finding not in the source"),
    ],
)
def test_finding_is_said_in_words(finding, words):
    assert finding_words(finding) == words


def test_evidence_is_the_closest_sentence_of_the_source():
    source = "The battery lasts ten hours. Unopened devices can be sent back within 30 days of delivery."
    output = "You are welcome. Unopened devices can be sent back within 60 days."
    start = output.index("60")
    spans = evidence_spans(source, output, [{"start": start, "end": start + 2, "kind": "number"}])
    assert [source[s["start"] : s["end"]] for s in spans] == [source[29:]]


def test_evidence_is_nothing_where_no_sentence_is_like_it():
    assert evidence_spans("The battery lasts.", "Quite elsewhere", [{"start": 0, "end": 5}]) == []
