"""Whom a limit counts for: the site, a project, an API key, an end user, or a tier and its overrides.

A scope's text names it in Redis and in records. End users are whatever a customer's app sends, so they are
percent-encoded: a name never reads as another scope.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import quote, unquote


class ScopeKind(StrEnum):
    SITE = "site"
    PROJECT = "project"
    API_KEY = "key"
    END_USER = "user"
    TIER = "tier"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One subject of limits. Which of the fields are filled depends on ``kind``."""

    kind: ScopeKind
    tier: str = ""
    project_id: int = 0
    """0 where the scope is not one project's."""
    api_key: str = ""
    end_user: str = ""

    def __str__(self) -> str:
        match self.kind:
            case ScopeKind.SITE:
                return "site"
            case ScopeKind.PROJECT:
                return f"project:{self.project_id}"
            case ScopeKind.API_KEY:
                return f"key:{_quoted(self.api_key)}"
            case ScopeKind.END_USER:
                return f"user:{self.project_id}:{_quoted(self.end_user)}"
        parts = [self.tier]
        if self.project_id:
            parts.append(str(self.project_id))
            if self.end_user:
                parts.append(_quoted(self.end_user))
        return "tier:" + "/".join(parts)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The scope that ``str`` gave as ``text``. Raises ``ValueError`` for anything else."""
        word, _, rest = text.partition(":")
        kind = ScopeKind(word)
        match kind:
            case ScopeKind.SITE:
                return cls(kind=kind)
            case ScopeKind.PROJECT:
                return cls(kind=kind, project_id=int(rest))
            case ScopeKind.API_KEY:
                return cls(kind=kind, api_key=unquote(rest))
            case ScopeKind.END_USER:
                project, _, user = rest.partition(":")
                return cls(kind=kind, project_id=int(project), end_user=unquote(user))
        tier, _, rest = rest.partition("/")
        project, _, user = rest.partition("/")
        return cls(kind=kind, tier=tier, project_id=int(project or 0), end_user=unquote(user))


def _quoted(name: str) -> str:
    return quote(name, safe="")
