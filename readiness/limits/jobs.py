"""RQ entry points."""

from django.utils import timezone

from readiness.limits import upstreams, watch


def sweep() -> None:
    """Each minute: reap what died in silence, publish policy and quotas again, look at every upstream."""
    upstreams.sweep()


def delete_expired_samples() -> int:
    """Deletes samples of upstreams whose time is over."""
    return watch.delete_samples_before(moment=timezone.now() - watch.SAMPLES_KEPT)
