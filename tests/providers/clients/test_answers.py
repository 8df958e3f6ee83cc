"""What all answers have in common."""

import pytest

from readiness.providers.clients.answers import clean_text


@pytest.mark.parametrize(
    ("text", "clean"),
    [("a\x00b", "a�b"), ("\ud83d\ude00", "😀"), ("half \ud83d", "half �"), ("plain ü", "plain ü")],
)
def test_clean_text_can_be_stored_in_every_database(text: str, clean: str) -> None:
    assert clean_text(text) == clean
    clean_text(text).encode()
