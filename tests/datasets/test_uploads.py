import os

import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile

from readiness.datasets import uploads
from readiness.datasets.uploads import NoRoomError, discard_upload, find_upload, keep_upload
from readiness.projects.models import Project


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path / "uploads"


def keep(project, user, name="questions.jsonl"):
    file = SimpleUploadedFile(name, b'{"question": "a"}\n')
    return keep_upload(project=project, user=user, file=file, dataset_name="Questions")


def test_upload_comes_back_to_its_owner(project, bob):
    upload = find_upload(keep(project, bob), project=project, user=bob)
    assert upload.path.read_bytes() == b'{"question": "a"}\n'
    assert (upload.name, upload.file_format, upload.dataset_name) == ("questions.jsonl", "jsonl", "Questions")


def test_upload_is_hidden_from_other_people_and_other_projects(project, bob, alice):
    token = keep(project, bob)
    other = Project.objects.create(name="Other", slug="other")
    assert find_upload(token, project=project, user=alice) is None
    assert find_upload(token, project=other, user=bob) is None


def test_forged_token_is_refused(project, bob):
    content = {"file": "../../.env", "name": "a.csv", "dataset": "a", "project": project.pk, "user": bob.pk}
    assert find_upload(signing.dumps(content, salt="guessed"), project=project, user=bob) is None
    assert find_upload("no token", project=project, user=bob) is None


def test_name_from_the_browser_never_names_a_path(project, bob, folder):
    keep(project, bob, name="../../escape.jsonl")
    assert [path.name.isalnum() for path in folder.iterdir()] == [True]


def test_expired_token_is_refused(project, bob, monkeypatch):
    token = keep(project, bob)
    monkeypatch.setattr(uploads, "LIFETIME_S", -1)
    assert find_upload(token, project=project, user=bob) is None


def test_expired_files_are_deleted_by_the_next_upload(project, bob, folder):
    keep(project, bob)
    (old,) = folder.iterdir()
    os.utime(old, (0, 0))
    keep(project, bob)
    assert old not in folder.iterdir()
    assert len(list(folder.iterdir())) == 1


def test_full_store_refuses_further_uploads(project, bob, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_STORE_BYTES", 30)
    keep(project, bob)
    with pytest.raises(NoRoomError, match="try again in an hour"):
        keep(project, bob)


def test_discarded_upload_is_gone(project, bob, folder):
    token = keep(project, bob)
    discard_upload(find_upload(token, project=project, user=bob))
    assert find_upload(token, project=project, user=bob) is None
    assert list(folder.iterdir()) == []
