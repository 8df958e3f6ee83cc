from django.urls import path

from readiness.benchmarks import views

app_name = "benchmarks"

urlpatterns = [
    path("", views.run_list, name="list"),
    path("new/", views.new_run, name="new"),
    path("<uuid:run_id>/", views.run_page, name="run"),
    path("<uuid:run_id>/progress/", views.run_progress, name="progress"),
    path("<uuid:run_id>/pause/", views.pause, name="pause"),
    path("<uuid:run_id>/resume/", views.resume, name="resume"),
    path("<uuid:run_id>/cancel/", views.cancel, name="cancel"),
    path("<uuid:run_id>/retry/", views.retry, name="retry"),
    path("<uuid:run_id>/answers/", views.answers, name="answers"),
]
