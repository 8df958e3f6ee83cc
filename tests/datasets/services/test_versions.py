import json

from hypothesis import given
from hypothesis import strategies as st

from readiness.datasets.importers.base import ExampleDraft
from readiness.datasets.services import content_sha256

texts = st.text(st.characters(codec="utf-8"), max_size=20)
metadata = st.dictionaries(texts, texts | st.integers() | st.booleans(), max_size=4)


def draft(uid="q1", **values):
    return ExampleDraft(**({"row": 1, "uid": uid, "question": "Why?"} | values))


@given(metadata, st.randoms(use_true_random=False))
def test_hash_does_not_depend_on_the_order_of_keys(values, random):
    pairs = list(values.items())
    random.shuffle(pairs)
    assert content_sha256([draft(metadata=values)]) == content_sha256([draft(metadata=dict(pairs))])


@given(st.permutations(["a", "b", "c", "d"]))
def test_hash_does_not_depend_on_the_order_of_rows(uids):
    shuffled = [draft(uid, row=row) for row, uid in enumerate(uids)]
    assert content_sha256(shuffled) == content_sha256([draft(uid) for uid in "abcd"])


@given(st.sampled_from(["uid", "question", "source", "reference", "stratum"]), texts)
def test_hash_depends_on_every_field(field, text):
    changed = draft(**{field: f"changed {text}"})
    assert content_sha256([changed]) != content_sha256([draft()])


def test_hash_is_that_of_the_documented_canonical_line():
    line = draft(metadata={"b": 1, "a": "é"}).canonical()
    assert line == (
        '{"metadata":{"a":"é","b":1},"question":"Why?","reference":"","source":"","stratum":"","uid":"q1"}'
    )
    assert json.loads(line)["metadata"] == {"a": "é", "b": 1}
