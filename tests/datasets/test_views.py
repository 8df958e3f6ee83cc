import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from readiness.datasets import forms
from readiness.datasets.models import Dataset, DatasetVersion, Example, RecordedOutput
from readiness.evaluations.models import Run
from readiness.lib.formats import format_percent
from readiness.projects.models import Membership, Project
from tests.builders import make_dataset

GOOD = b'{"id": "q1", "question": "Why?"}\n{"id": "q2", "question": "Who?"}\n'
BROKEN_CSV = b'question,reference\nWhy?,So\nWho?,x,y\n"open,quote\n'


@pytest.fixture(autouse=True)
def folder(settings, tmp_path):
    settings.VAR_DIR = tmp_path
    return tmp_path / "uploads"


@pytest.fixture
def upload(as_user, bob, project):
    """Uploads as bob and returns the answer to the upload."""

    def send(content=GOOD, name="questions.jsonl", **fields):
        file = SimpleUploadedFile(name, content)
        return as_user(bob).post(reverse("datasets:new", args=[project.slug]), {"file": file, **fields})

    return send


def address(version, name="version", *more):
    arguments = [version.dataset.project.slug, version.dataset.slug]
    if name in ("version", "example"):
        arguments.append(version.number)
    return reverse(f"datasets:{name}", args=[*arguments, *more])


def text_of(response):
    return response.content.decode()


def test_list_names_datasets_with_their_size(as_user, auditor, project):
    make_dataset(project, name="Returns", examples=7)
    page = text_of(as_user(auditor).get(reverse("datasets:list", args=[project.slug])))
    assert "Returns" in page
    assert '<td class="number">7</td>' in page


def test_empty_list_shows_lines_that_fill_it(as_user, bob, project):
    page = text_of(as_user(bob).get(reverse("datasets:list", args=[project.slug])))
    assert page.count("&quot;question&quot;") == 3
    assert reverse("datasets:new", args=[project.slug]) in page


def test_empty_list_offers_no_import_to_a_viewer(as_user, auditor, project):
    page = text_of(as_user(auditor).get(reverse("datasets:list", args=[project.slug])))
    assert reverse("datasets:new", args=[project.slug]) not in page


def test_list_takes_no_query_per_dataset(as_user, auditor, project):
    client, url = as_user(auditor), reverse("datasets:list", args=[project.slug])
    counts = []
    for number in range(3):
        make_dataset(project, name=f"Dataset {number}")
        with CaptureQueriesContext(connection) as queries:
            client.get(url)
        counts.append(len(queries))
    assert counts[1] == counts[2]


def test_upload_leads_to_a_dry_run_that_stores_nothing(upload, client):
    response = upload()
    page = text_of(client.get(response.url))
    assert response.status_code == 303
    assert "Import 2 examples" in page
    assert not Dataset.objects.exists()


def test_import_makes_a_version_and_forgets_the_upload(upload, client, bob, folder):
    url = upload().url
    response = client.post(
        url, {"action": "import", "dataset": "Questions", "question": "question", "id": "id"}
    )
    version = DatasetVersion.objects.get()
    assert response.url == address(version, "detail")
    assert (version.example_count, version.created_by) == (2, bob)
    assert list(folder.iterdir()) == []


def test_same_file_again_says_that_nothing_is_new(upload, client):
    for _ in range(2):
        fields = {"action": "import", "dataset": "Questions", "question": "question", "id": "id"}
        page = text_of(client.post(upload().url, fields, follow=True))
    assert "Nothing new: Questions v1 has the same content already." in page
    assert DatasetVersion.objects.count() == 1


def test_upload_of_an_imported_file_is_gone(upload, client, project):
    url = upload().url
    client.post(url, {"action": "import", "dataset": "Questions", "question": "question", "id": "id"})
    page = text_of(client.get(url, follow=True))
    assert "expired or was imported already" in page


def test_broken_csv_shows_every_issue_with_its_row(upload, client):
    page = text_of(client.get(upload(BROKEN_CSV, "broken.csv").url))
    assert '<td class="number">3</td><td>–</td><td>This row has 3 fields, the header has 2.' in page
    assert '<td class="number">4</td><td>–</td><td>A quote that opens in this record is never closed.' in page
    assert "Import 1 example<" in page


def test_bad_rows_are_imported_only_when_left_out(upload, client):
    url = upload(BROKEN_CSV, "broken.csv").url
    fields = {"action": "import", "dataset": "Broken", "question": "question"}
    assert "nothing was imported" in text_of(client.post(url, fields))
    assert not Dataset.objects.exists()
    client.post(url, fields | {"leave_out_bad_rows": "on"})
    assert DatasetVersion.objects.get().example_count == 1


def test_mapping_can_be_corrected_and_checked_again(upload, client):
    url = upload(b"frage,antwort\nWarum?,Darum\n", "deutsch.csv").url
    assert "No column is known to hold the question" in text_of(client.get(url))
    page = text_of(client.post(url, {"action": "check", "dataset": "Deutsch", "question": "frage"}))
    assert "Warum?" in page
    assert "Import 1 example<" in page
    assert not Dataset.objects.exists()


def test_one_column_for_two_fields_is_refused(upload, client):
    fields = {"action": "import", "dataset": "Q", "question": "question", "source": "question"}
    assert "already taken for the question" in text_of(client.post(upload().url, fields))


def test_line_of_3_mb_is_explained_and_cannot_be_imported(upload, client):
    page = text_of(client.get(upload(GOOD + b"x" * 3_000_000).url))
    assert "This line is longer than 2 MB" in page
    assert 'value="import"' not in page


def test_preview_escapes_what_the_file_says(upload, client):
    page = text_of(client.get(upload(b'{"question": "<script>alert(1)</script>"}', "<b>.jsonl").url))
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>.jsonl" not in page


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "empty.jsonl", "“empty.jsonl” is empty"),
        (GOOD, "table.xlsx", "“table.xlsx” cannot be imported"),
        (GOOD, "picture", "“picture” cannot be imported"),
    ],
)
def test_upload_that_cannot_be_read_is_refused_in_plain_words(upload, content, name, words):
    assert words in text_of(upload(content, name))


def test_upload_beyond_the_limit_is_refused_in_plain_words(upload, monkeypatch, folder):
    monkeypatch.setattr(forms, "MAX_UPLOAD_BYTES", 1024 * 1024)
    assert "has 2 MB, more than 1 MB" in text_of(upload(b"x" * 2 * 1024 * 1024))
    assert not folder.exists()


def test_upload_without_a_file_is_refused(as_user, bob, project):
    page = text_of(as_user(bob).post(reverse("datasets:new", args=[project.slug])))
    assert "This field is required" in page


def test_upload_of_a_colleague_is_not_found(upload, as_user, alice):
    url = upload().url
    response = as_user(alice).get(url, follow=True)
    assert "expired" in text_of(response)


def test_detail_shows_versions_hash_and_strata(as_user, auditor, project):
    version = make_dataset(project, examples=4)
    page = text_of(as_user(auditor).get(address(version, "detail")))
    assert version.sha256[:12] in page
    assert format_percent(0.5) in page
    assert "command line" in page


@pytest.fixture
def version(project):
    return make_dataset(project, examples=60)


def test_version_page_is_bounded_and_pages_on(as_user, auditor, version):
    client = as_user(auditor)
    first, last = text_of(client.get(address(version))), text_of(client.get(address(version), {"page": 3}))
    assert first.count("<code>e") == 25
    assert last.count("<code>e") == 10


def test_version_search_finds_words_in_any_field(as_user, auditor, version):
    page = text_of(as_user(auditor).get(address(version), {"q": "ITEM 37 may"}))
    assert page.count("<code>e") == 1
    assert "e37" in page


def test_version_filter_shows_one_stratum(as_user, auditor, version):
    page = text_of(as_user(auditor).get(address(version), {"stratum": "in:odd", "q": "item 3"}))
    assert page.count("<code>e") == 6


def test_version_without_a_match_says_so(as_user, auditor, version):
    assert "No example of this version matches" in text_of(
        as_user(auditor).get(address(version), {"q": "zebra"})
    )


def test_version_gives_htmx_the_table_alone(as_user, auditor, version):
    response = as_user(auditor).get(address(version), {"q": "item 7"}, headers={"HX-Request": "true"})
    assert "<html" not in text_of(response)
    assert "e7" in text_of(response)
    assert "HX-Request" in response["Vary"]


def test_version_counts_human_labels_by_model(as_user, auditor, version):
    for example, label in zip(version.examples.all()[:4], [True, False, False, None], strict=True):
        RecordedOutput.objects.create(example=example, model="small", text="x", hallucinated=label)
    page = text_of(as_user(auditor).get(address(version)))
    assert "Imported" in page
    assert format_percent(1 / 3) in page


def test_example_shows_outputs_with_marked_spans_escaped(as_user, auditor, version):
    example = version.examples.first()
    RecordedOutput.objects.create(
        example=example,
        model="small",
        text="It is <b>red</b>.",
        hallucinated=True,
        spans=[{"start": 6, "end": 16, "kind": "conflict"}],
    )
    page = text_of(as_user(auditor).get(address(version, "example", example.pk)))
    assert '<mark class="contradicted" title="conflict">&lt;b&gt;red&lt;/b&gt;</mark>' in page
    assert "<b>red</b>" not in page
    assert "Hallucinated, say people" in page


def test_example_of_another_version_is_not_found(as_user, auditor, project, version):
    other = make_dataset(project, name="Other").examples.first()
    assert as_user(auditor).get(address(version, "example", other.pk)).status_code == 404


def test_delete_asks_first(as_user, bob, version):
    page = text_of(as_user(bob).get(address(version, "delete")))
    assert "gone for good" in page
    assert Dataset.objects.exists()


def test_delete_takes_everything_along(as_user, bob, version):
    response = as_user(bob).post(address(version, "delete"))
    assert response.status_code == 303
    assert not Example.objects.exists()


def test_delete_keeps_what_a_run_uses(as_user, bob, project, version):
    Run.objects.create(project=project, name="Run", dataset_version=version)
    client = as_user(bob)
    assert "Delete the dataset" not in text_of(client.get(address(version, "delete")))
    assert "A run uses “Questions”" in text_of(client.post(address(version, "delete"), follow=True))
    assert Dataset.objects.exists()


READS = ["list", "detail", "version", "example"]
WRITES = ["new", "preview", "delete"]


def any_address(version, name):
    if name in ("list", "new"):
        return reverse(f"datasets:{name}", args=[version.dataset.project.slug])
    if name == "preview":
        return reverse("datasets:preview", args=[version.dataset.project.slug, "token"])
    return address(version, name, *([version.examples.first().pk] if name == "example" else []))


@pytest.mark.parametrize("name", READS)
def test_viewer_may_read(as_user, auditor, version, name):
    assert as_user(auditor).get(any_address(version, name)).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("name", WRITES)
def test_viewer_may_not_write(as_user, auditor, version, name, method):
    assert getattr(as_user(auditor), method)(any_address(version, name)).status_code == 403


@pytest.mark.parametrize("name", READS + WRITES)
def test_stranger_does_not_learn_that_the_project_exists(as_user, charlie, version, name):
    client = as_user(charlie)
    assert client.get(any_address(version, name)).status_code == 404
    assert client.get(any_address(version, name), headers={"HX-Request": "true"}).status_code == 404


@pytest.mark.parametrize("name", READS)
def test_page_that_only_reads_refuses_posts(as_user, bob, version, name):
    assert as_user(bob).post(any_address(version, name)).status_code == 405


@pytest.mark.parametrize("name", ["detail", "version", "example"])
def test_dataset_of_another_project_is_not_found(as_user, bob, version, name):
    other = Project.objects.create(name="Other", slug="other")
    Membership.objects.create(project=other, user=bob, role="member")
    url = any_address(version, name).replace("/p/handbook/", "/p/other/")
    assert as_user(bob).get(url).status_code == 404
