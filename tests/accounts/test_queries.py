"""When something was last changed, by the audit log."""

from datetime import UTC, datetime

import pytest

from readiness.accounts.models import AuditEntry
from readiness.accounts.queries import last_change

pytestmark = pytest.mark.django_db

EARLY, LATE = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC)
FIELDS = ("model", "parameters")


def entry(at: datetime = EARLY, **values: object) -> None:
    defaults = {"action": "deployment changed", "object_type": "deployment", "object_id": "7"}
    made = AuditEntry.objects.create(**(defaults | {"changes": {"model": ["a", "b"]}} | values))
    AuditEntry.objects.filter(pk=made.pk).update(at=at)


def test_last_change_is_the_newest_of_any_of_the_fields():
    entry(EARLY)
    entry(LATE, changes={"parameters": [{}, {"temperature": 1}]})

    assert last_change([("deployment", 7)], FIELDS) == LATE


def test_last_change_looks_at_every_object():
    entry(LATE, object_type="provider account", object_id="3")

    assert last_change([("deployment", 7), ("provider account", 3)], FIELDS) == LATE


@pytest.mark.parametrize(
    "other",
    [{"changes": {"name": ["a", "b"]}}, {"object_id": "8"}, {"action": "deployment added"}],
    ids=["another field", "another object", "its addition"],
)
def test_last_change_leaves_out(other):
    entry(**other)

    assert last_change([("deployment", 7)], FIELDS) is None


def test_nothing_is_changed_of_no_objects():
    entry()

    assert last_change([], FIELDS) is None
