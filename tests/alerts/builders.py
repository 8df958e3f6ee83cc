"""Alerts for tests: every argument has a default."""

from typing import Any

from readiness.alerts.models import Alert
from readiness.alerts.services import raise_alert


def make_alert(**values: Any) -> Alert:
    defaults: dict[str, Any] = {
        "key": f"alert:{Alert.objects.count() + 1}",
        "severity": "critical",
        "title": "The account Main is out of credit",
        "detail": "Pay the provider, then resume the deployment.",
    }
    return raise_alert(**(defaults | values))
