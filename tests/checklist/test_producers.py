"""The register of producers."""

import pytest

from readiness.checklist import producers


@pytest.fixture
def empty_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producers, "_registry", {})


@pytest.mark.usefixtures("empty_register")
def test_producer_is_known_under_its_name() -> None:
    @producers.produces("tests.rate")
    def gather() -> None: ...

    assert producers.registered() == {"tests.rate"}


@pytest.mark.usefixtures("empty_register")
def test_two_producers_cannot_share_a_name() -> None:
    producers.produces("tests.rate")(lambda: None)

    with pytest.raises(ValueError, match="Two producers"):
        producers.produces("tests.rate")(lambda: None)
