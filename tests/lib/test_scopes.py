"""Scopes survive the way to Redis and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.lib.scopes import Scope, ScopeKind


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        (Scope(kind=ScopeKind.SITE), "site"),
        (Scope(kind=ScopeKind.PROJECT, project_id=12), "project:12"),
        (Scope(kind=ScopeKind.API_KEY, api_key="k:1"), "key:k%3A1"),
        (Scope(kind=ScopeKind.END_USER, project_id=12, end_user="a/b"), "user:12:a%2Fb"),
        (Scope(kind=ScopeKind.TIER, tier="free"), "tier:free"),
        (Scope(kind=ScopeKind.TIER, tier="free", project_id=12), "tier:free/12"),
        (Scope(kind=ScopeKind.TIER, tier="free", project_id=12, end_user="a"), "tier:free/12/a"),
    ],
)
def test_scope_has_one_text(scope: Scope, text: str) -> None:
    assert str(scope) == text
    assert Scope.parse(text) == scope


@given(name=st.text(min_size=1, max_size=40))
def test_scope_of_any_end_user_reads_back(name: str) -> None:
    scope = Scope(kind=ScopeKind.TIER, tier="free", project_id=7, end_user=name)

    assert Scope.parse(str(scope)) == scope
    assert str(scope).count("/") == 2


def test_unknown_scope_is_an_error() -> None:
    with pytest.raises(ValueError, match="planet"):
        Scope.parse("planet:1")
