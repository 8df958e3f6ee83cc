from django.urls import path

from readiness.projects import views

app_name = "projects"

urlpatterns = [
    path("", views.project_list, name="list"),
    path("new/", views.new_project, name="new"),
    path("p/<slug:slug>/settings/", views.project_settings, name="settings"),
    path("p/<slug:slug>/settings/members/", views.members, name="members"),
    path("p/<slug:slug>/settings/members/<int:membership_id>/role/", views.member_role, name="member_role"),
    path("p/<slug:slug>/settings/members/<int:membership_id>/remove/", views.remove, name="remove_member"),
    path("p/<slug:slug>/settings/audit/", views.audit, name="audit"),
]
