"""Who signs in, and what admins changed."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person. A superuser is the site's admin; everything else is decided by memberships."""

    password_is_temporary = models.BooleanField(default=False)
    """Set by somebody else: until the person has chosen their own, they reach no other page."""

    @property
    def is_site_admin(self) -> bool:
        return self.is_active and self.is_superuser

    def __str__(self) -> str:
        return self.get_full_name() or self.username


class AuditEntry(models.Model):
    """One change that an admin made. Append-only; keeps labels so that it outlives what it names."""

    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    actor_label = models.CharField(max_length=150)
    action = models.CharField(max_length=60)
    """Verb in the past tense: ``tier changed``, ``member added``."""
    object_type = models.CharField(max_length=60)
    object_id = models.CharField(max_length=60)
    object_label = models.CharField(max_length=200)
    project_slug = models.CharField(max_length=60, blank=True)
    """Project that the change belongs to; empty for the site."""
    changes = models.JSONField(default=dict)
    """Field name to ``[before, after]``; secrets appear as ``"(hidden)"``."""

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["project_slug", "-at"], name="audit_by_project")]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.actor_label}: {self.action} {self.object_label}"
