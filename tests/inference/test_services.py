from datetime import UTC, datetime, timedelta

from readiness.inference.models import LoggedAnswer
from readiness.inference.services import delete_answers_before
from tests.builders import make_logged_answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_old_answers_are_deleted_in_batches_and_newer_ones_stay(project):
    for days in (1, 9, 10, 11):
        make_logged_answer(project, at=NOW - timedelta(days=days))
    assert delete_answers_before(moment=NOW - timedelta(days=8), batch=2) == 3
    assert LoggedAnswer.objects.get().at == NOW - timedelta(days=1)
