from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.marks import Piece, cut_at_marks

numbers = st.integers(-3, 30)


def test_marked_stretch_becomes_a_piece_of_its_own():
    assert cut_at_marks("It is red.", [(6, 9, "conflict")]) == [
        Piece("It is "), Piece("red", ("conflict",)), Piece("."),
    ]  # fmt: skip


def test_overlap_carries_both_kinds():
    pieces = cut_at_marks("abcd", [(0, 3, "x"), (1, 4, "y")])
    assert [(piece.text, piece.kinds) for piece in pieces] == [
        ("a", ("x",)),
        ("bc", ("x", "y")),
        ("d", ("y",)),
    ]


def test_empty_text_has_no_piece():
    assert cut_at_marks("", [(0, 1, "x")]) == []


@given(st.text(max_size=20), st.lists(st.tuples(numbers, numbers, st.sampled_from("xy"))))
def test_pieces_add_up_to_the_text(text, marks):
    assert "".join(piece.text for piece in cut_at_marks(text, marks)) == text


@given(st.text(max_size=20), st.lists(st.tuples(numbers, numbers, st.sampled_from("xy"))))
def test_every_character_has_exactly_the_marks_that_cover_it(text, marks):
    found = [set(piece.kinds) for piece in cut_at_marks(text, marks) for _ in piece.text]
    assert found == [{kind for start, end, kind in marks if start <= at < end} for at in range(len(text))]
