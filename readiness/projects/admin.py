"""Django's own admin: projects and memberships. Tiers are left out: a change must reach the limiter."""

from django.contrib import admin

from readiness.projects.models import Membership, Project


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic for the checker only
    model = Membership
    extra = 0


@admin.register(Project)
class ProjectAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic for the checker only
    list_display = ("name", "slug", "category", "created_at")
    search_fields = ("name", "slug")
    inlines = (MembershipInline,)
