import pytest
from django.urls import reverse

from readiness.prompts.models import Prompt, PromptVersion
from tests.builders import make_prompt_version


def test_new_prompt_leads_to_its_first_version(as_user, bob, project):
    response = as_user(bob).post(reverse("prompts:new", args=[project.slug]), {"name": "Answer"})
    prompt = Prompt.objects.get()
    assert response.url == reverse("prompts:new_version", args=[project.slug, prompt.slug])


def test_new_version_is_saved_with_its_author(as_user, bob, project):
    prompt = Prompt.objects.create(project=project, name="Answer", slug="answer")
    fields = {"user": "{{ question }}", "temperature": "0.5", "note": "first"}
    as_user(bob).post(reverse("prompts:new_version", args=[project.slug, "answer"]), fields)
    version = PromptVersion.objects.get(prompt=prompt)
    assert (version.created_by, version.parameters) == (bob, {"temperature": 0.5})


def test_new_version_with_an_unknown_variable_is_refused_and_kept_in_the_form(as_user, bob, project):
    Prompt.objects.create(project=project, name="Answer", slug="answer")
    url = reverse("prompts:new_version", args=[project.slug, "answer"])
    page = as_user(bob).post(url, {"user": "Dear {{ customer }}"}).content.decode()
    assert "Unknown variable" in page
    assert "Dear {{ customer }}" in page
    assert not PromptVersion.objects.exists()


def test_prompt_text_is_escaped(as_user, auditor, project):
    make_prompt_version(project, user="<script>alert(1)</script>{{ question }}")
    page = as_user(auditor).get(reverse("prompts:detail", args=[project.slug, "answer"])).content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


@pytest.mark.parametrize("name", ["prompts:new", "prompts:new_version"])
def test_viewer_may_not_write(as_user, auditor, project, name):
    Prompt.objects.create(project=project, name="Answer", slug="answer")
    arguments = [project.slug] if name == "prompts:new" else [project.slug, "answer"]
    assert as_user(auditor).get(reverse(name, args=arguments)).status_code == 403


def test_stranger_does_not_learn_that_the_project_exists(as_user, charlie, project):
    assert as_user(charlie).get(reverse("prompts:list", args=[project.slug])).status_code == 404
