"""What this version measures: importing this package registers every producer."""

from readiness.checklist.criteria import limits, model, quality

__all__ = ["limits", "model", "quality"]
