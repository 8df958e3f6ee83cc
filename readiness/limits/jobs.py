"""RQ entry points."""

from readiness.limits import services


def sweep() -> None:
    """Each minute: reap what died in silence, publish tiers again."""
    services.sweep()
