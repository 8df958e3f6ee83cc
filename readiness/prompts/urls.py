from django.urls import path

from readiness.prompts import views

app_name = "prompts"

urlpatterns = [
    path("", views.prompt_list, name="list"),
    path("new/", views.new_prompt, name="new"),
    path("<slug:prompt_slug>/", views.prompt_detail, name="detail"),
    path("<slug:prompt_slug>/new-version/", views.new_version, name="new_version"),
]
