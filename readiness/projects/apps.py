from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "readiness.projects"
    label = "projects"
