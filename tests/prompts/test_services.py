from readiness.prompts.models import PromptVersion
from readiness.prompts.services import create_prompt, save_version


def save(prompt, **values):
    fields = {"system": "", "user": "{{ question }}", "parameters": {"temperature": 0}, "by": None} | values
    return save_version(prompt=prompt, **fields)


def test_save_version_numbers_from_one(project):
    prompt = create_prompt(project=project, name="Answer")
    assert [save(prompt).number, save(prompt, user="Now: {{ question }}").number] == [1, 2]


def test_save_version_returns_the_same_version_for_the_same_content(project):
    prompt = create_prompt(project=project, name="Answer")
    first = save(prompt)
    save(prompt, user="other {{ question }}")
    assert save(prompt, note="only the note differs") == first
    assert PromptVersion.objects.count() == 2


def test_save_version_makes_a_new_one_when_only_a_parameter_differs(project):
    prompt = create_prompt(project=project, name="Answer")
    assert save(prompt) != save(prompt, parameters={"temperature": 1})


def test_create_prompt_keeps_slugs_unique_in_a_project(project):
    slugs = [create_prompt(project=project, name="Answer!").slug for _ in range(3)]
    assert slugs == ["answer", "answer-2", "answer-3"]
