from datetime import timedelta

from django.utils import timezone

from readiness.alerts.jobs import delete_expired_alerts
from readiness.alerts.models import Alert
from readiness.alerts.services import resolve_alert
from tests.alerts.builders import make_alert


def test_past_alerts_are_kept_for_as_long_as_the_setting_says(db, settings):
    settings.ALERT_RETENTION_DAYS = 10
    for key, days in {"old": 11, "young": 9}.items():
        make_alert(key=key)
        resolve_alert(key=key, at=timezone.now() - timedelta(days=days))
    assert delete_expired_alerts() == 1
    assert Alert.objects.get().key == "young"
