import pytest

from readiness.lib.statistics import Method


@pytest.mark.parametrize("method", Method)
def test_method_is_stored_with_its_version_and_shown_with_its_name(method) -> None:
    name, _, version = method.partition("/")
    assert name
    assert version.isdigit()
    assert method.label
    assert "/" not in method.label
