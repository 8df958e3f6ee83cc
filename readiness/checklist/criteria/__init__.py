"""What this version measures: importing this package registers every producer."""

from readiness.checklist.criteria import drills, limits, model, quality

__all__ = ["drills", "limits", "model", "quality"]
