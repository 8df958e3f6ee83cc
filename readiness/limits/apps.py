from django.apps import AppConfig


class LimitsConfig(AppConfig):
    name = "readiness.limits"
    label = "limits"

    def ready(self) -> None:
        # Quotas are rows of a lower floor, which knows nothing of Redis: it tells whoever wants to know.
        from readiness.limits.upstreams import publish_quota
        from readiness.providers.services import quota_listeners

        if publish_quota not in quota_listeners:
            quota_listeners.append(publish_quota)
