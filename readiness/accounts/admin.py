"""Django's own admin: people, and the audit log to read."""

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from readiness.accounts.forms import SignInForm
from readiness.accounts.models import AuditEntry, User


class StaffSignInForm(SignInForm, AdminAuthenticationForm):
    """The admin's own sign-in, throttled like the site's."""

    error_messages = AdminAuthenticationForm.error_messages | SignInForm.error_messages


admin.site.login_form = StaffSignInForm
admin.site.register(User, UserAdmin)


@admin.register(AuditEntry)
class AuditEntryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the checker only
    """Read only: the log is append-only."""

    list_display = ("at", "actor_label", "action", "object_label", "project_slug")
    list_filter = ("object_type",)
    search_fields = ("actor_label", "object_label")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AuditEntry | None = None) -> bool:
        return False
