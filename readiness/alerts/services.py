"""Writes of alerts: raised, resolved, acknowledged. Producers call these as often as they look."""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from readiness.accounts.models import User
from readiness.alerts.models import Alert, Severity
from readiness.projects.models import Project


def raise_alert(
    *,
    key: str,
    severity: str,
    title: str,
    detail: str,
    project: Project | None = None,
    link: str = "",
    at: datetime | None = None,
) -> Alert:
    """Opens an alert, or counts a repeat of the one that is open under the key (at most 300 characters).

    A repeat brings its words up to date. It keeps an acknowledgement, unless it is more severe than what was
    acknowledged. ``link`` is a path of this site. Raises ValueError for an unknown severity or another link.
    """
    told = Severity(severity)
    if link and (not link.startswith("/") or link.startswith("//")):
        raise ValueError("The link of an alert is a path of this site.")
    words = {"severity": told, "title": title[:200], "detail": detail, "link": link}
    moment = at or timezone.now()
    while True:
        if repeated := _repeat(key, words, moment):
            return repeated
        try:
            with transaction.atomic():
                return Alert.objects.create(
                    key=key, project=project, first_at=moment, last_at=moment, **words
                )
        except IntegrityError:
            # Somebody else opened it in between; anything else is no race, and another try would not help.
            if not Alert.objects.open().filter(key=key).exists():
                raise


@transaction.atomic
def _repeat(key: str, words: dict[str, str], at: datetime) -> Alert | None:
    """Counts a repeat of the open alert; None when there is none."""
    alert = Alert.objects.open().select_for_update().filter(key=key).first()
    if alert is None:
        return None
    if Severity(words["severity"]).rank > Severity(alert.severity).rank:
        alert.acknowledged_at = alert.acknowledged_by = None
    for name, value in words.items():
        setattr(alert, name, value)
    alert.count += 1
    alert.last_at = max(alert.last_at, at)
    alert.save()
    return alert


def resolve_alert(*, key: str, at: datetime | None = None) -> bool:
    """Ends the open alert of the key; False when there is none."""
    return bool(Alert.objects.open().filter(key=key).update(resolved_at=at or timezone.now()))


def acknowledge(*, alert: Alert, by: User, at: datetime | None = None) -> bool:
    """Notes who has seen an open alert; False when it is over or somebody was first."""
    unseen = Alert.objects.open().filter(pk=alert.pk, acknowledged_at=None)
    return bool(unseen.update(acknowledged_by=by, acknowledged_at=at or timezone.now()))


def delete_past_alerts_before(*, moment: datetime) -> int:
    """Deletes alerts that ended before the moment; open ones stay, however old. Returns how many."""
    return Alert.objects.past().filter(resolved_at__lt=moment).delete()[0]
