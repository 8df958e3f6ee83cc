"""The pages of previews: who opens them, and the way from a typed value to one in force."""

from collections.abc import Callable
from datetime import UTC, datetime

import django_rq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from readiness.accounts.models import User
from readiness.operations import preview_jobs
from readiness.operations.models import Preview, PreviewSource, PreviewState
from readiness.projects.models import Allowance, Project, Tier, TierOverride
from readiness.providers.models import Deployment
from tests.builders import make_deployment
from tests.operations.preview_support import record_rush

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]

AsUser = Callable[[User], Client]
PAGES = ("preview", "preview_progress", "preview_trace")
POSTS = ("cancel_preview", "repeat_preview", "preview_trace", "save_preview")
VALUES = {"name": "Free", "weight": "9", "longest_wait_seconds": "60"}
TIER = reverse("operations:tier", args=["free"])


def url(name: str, preview: Preview) -> str:
    return reverse(f"operations:{name}", args=[preview.pk])


@pytest.fixture
def root(site_admin: User) -> Client:
    """A browser of the site admin, beside the one that others sign in to."""
    client = Client()
    client.force_login(site_admin)
    return client


@pytest.fixture
def tight() -> Deployment:
    return make_deployment(name="Tight", rpm=20, jitter_ms=0)


@pytest.fixture
def preview(root: Client) -> Preview:
    """Of the tier free with weight 9; it waits for a worker."""
    root.post(TIER, VALUES | {"preview": "1"})
    return Preview.objects.get()


@pytest.fixture
def done(root: Client, project: Project, tight: Deployment, preview: Preview) -> Preview:
    record_rush(project, tight, preview.created_at)
    preview_jobs.preview(preview.pk)
    preview.refresh_from_db()
    assert preview.state == PreviewState.DONE
    return preview


@pytest.mark.parametrize("who", ["alice", "bob", "rita", "auditor", "charlie"])
def test_only_site_admins_open_a_preview(
    request: pytest.FixtureRequest, as_user: AsUser, preview: Preview, who: str
) -> None:
    client = as_user(request.getfixturevalue(who))

    assert {client.get(url(name, preview)).status_code for name in PAGES} == {403}


@pytest.mark.parametrize("who", ["alice", "charlie"])
def test_only_site_admins_act_on_a_preview(
    request: pytest.FixtureRequest, as_user: AsUser, preview: Preview, who: str
) -> None:
    client = as_user(request.getfixturevalue(who))

    assert {client.post(url(name, preview)).status_code for name in POSTS} == {403}
    assert Preview.objects.get().state == PreviewState.QUEUED


def test_project_admin_cannot_preview_an_allowance(as_user: AsUser, alice: User, project: Project) -> None:
    form = reverse("operations:new_project_allowance", args=[project.slug])
    data = {"kind": "all", "requests_per_minute": "5", "preview": "1"}

    assert as_user(alice).post(form, data).status_code == 403
    assert b'name="preview"' not in as_user(alice).get(form).content
    assert not Preview.objects.exists()


def test_button_starts_a_preview_and_saves_nothing(
    root: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        response = root.post(TIER, VALUES | {"preview": "1"})
    preview = Preview.objects.get()

    assert (response.status_code, response.headers["Location"]) == (303, url("preview", preview))
    assert preview.after["weight"] == 9
    assert Tier.objects.get(slug="free").weight == 1
    assert [list(job.args) for job in django_rq.get_queue(preview_jobs.QUEUE).jobs] == [[preview.pk]]


def test_preview_goes_before_benchmarks_and_holds_up_no_housekeeping(
    root: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        django_rq.get_queue("benchmarks").enqueue(print, "a shard")
        root.post(TIER, VALUES | {"preview": "1"})

    assert [job.func_name for job in django_rq.get_queue("benchmarks").jobs] == [
        "readiness.operations.preview_jobs.preview",
        "builtins.print",
    ]
    assert not django_rq.get_queue("default").jobs


def test_edit_again_shows_what_was_previewed(root: Client, preview: Preview) -> None:
    page = root.get(url("preview", preview)).content.decode()
    address = f"{TIER}?preview={preview.pk}"
    assert f'href="{address}"' in page

    assert root.get(address).context["form"]["weight"].value() == 9
    assert root.get(TIER).context["form"]["weight"].value() == 1
    assert root.get(f"{TIER}?preview=x").context["form"]["weight"].value() == 1
    Preview.objects.update(subject={**preview.subject, "tier": "pro"})
    assert root.get(address).context["form"]["weight"].value() == 1


def test_invalid_value_is_not_previewed(root: Client) -> None:
    response = root.post(TIER, VALUES | {"weight": "0", "preview": "1"})

    assert "never be served" in response.content.decode()
    assert not Preview.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_without_redis_the_preview_says_so(
    root: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tier.objects.get_or_create(slug="free", defaults={"name": "Free"})
    monkeypatch.setitem(settings.RQ_QUEUES[preview_jobs.QUEUE], "URL", "unix:///nowhere/redis.sock")
    root.post(TIER, VALUES | {"preview": "1"})
    preview = Preview.objects.get()

    assert (preview.state, "Redis does not answer" in preview.trouble) == (PreviewState.FAILED, True)


@pytest.mark.parametrize("new", [True, False])
def test_override_is_previewed_from_its_form(root: Client, project: Project, new: bool) -> None:
    tier = Tier.objects.get(slug="free")
    address = reverse("operations:new_override", args=["free"])
    if not new:
        row = TierOverride.objects.create(tier=tier, project=project, weight=2)
        address = reverse("operations:override", args=["free", row.pk])
    root.post(address, {"project": project.pk, "weight": "9", "preview": "1"})
    preview = Preview.objects.get()

    assert preview.subject["project_id"] == project.pk
    assert (preview.before.get("weight"), preview.after["weight"]) == (None if new else 2, 9)
    assert root.get(url("preview", preview)).status_code == 200


@pytest.mark.parametrize("new", [True, False])
def test_allowance_is_previewed_from_its_form(root: Client, project: Project, new: bool) -> None:
    address = reverse("operations:new_allowance")
    if not new:
        row = Allowance.objects.create(project=project, kind="all", requests_per_minute=2)
        address = reverse("operations:allowance", args=[row.pk])
    root.post(address, {"kind": "all", "project": project.pk, "requests_per_minute": "9", "preview": "1"})
    preview = Preview.objects.get()

    assert (preview.subject["project_id"], preview.after["requests_per_minute"]) == (project.pk, 9)
    assert root.get(url("preview", preview)).status_code == 200


def test_waiting_preview_shows_progress_and_cancel(root: Client, preview: Preview) -> None:
    page = root.get(url("preview", preview)).content.decode()

    assert url("cancel_preview", preview) in page
    assert url("save_preview", preview) not in page


def test_progress_reloads_the_page_at_the_end(root: Client, done: Preview) -> None:
    response = root.get(url("preview_progress", done), headers={"HX-Request": "true"})

    assert response.headers["HX-Refresh"] == "true"


@pytest.mark.parametrize(
    ("page", "columns"), [("preview", {"trace"}), ("preview_progress", {"trace", "result"})]
)
def test_page_leaves_large_columns_unread(
    root: Client, preview: Preview, page: str, columns: set[str]
) -> None:
    with CaptureQueriesContext(connection) as queries:
        root.get(url(page, preview), headers={"HX-Request": "true"})

    read = " ".join(query["sql"] for query in queries.captured_queries)
    assert '"operations_preview"."label"' in read
    assert not [name for name in columns if f'"operations_preview"."{name}"' in read]


@pytest.mark.parametrize("state", [PreviewState.QUEUED, PreviewState.RUNNING])
def test_progress_without_javascript_has_a_link_to_look_again(
    root: Client, preview: Preview, state: PreviewState
) -> None:
    Preview.objects.update(state=state, beat_at=timezone.now())
    page = root.get(url("preview", preview)).content.decode()

    assert f'<noscript><a class="button" href="{url("preview", preview)}">Refresh</a></noscript>' in page


def test_progress_is_a_part_of_the_page_only(root: Client, preview: Preview) -> None:
    assert root.get(url("preview_progress", preview)).headers["Location"] == url("preview", preview)


def test_cancelling_ends_the_preview(root: Client, preview: Preview) -> None:
    root.post(url("cancel_preview", preview))

    assert Preview.objects.get().state == PreviewState.CANCELLED


def test_lost_preview_can_be_made_again(root: Client, preview: Preview) -> None:
    Preview.objects.update(state=PreviewState.RUNNING, beat_at=timezone.now() - timezone.timedelta(minutes=5))
    page = root.get(url("preview", preview)).content.decode()

    assert "ended without a word" in page
    assert url("repeat_preview", preview) in page


def test_page_shows_waits_reasons_money_and_that_they_are_simulated(root: Client, done: Preview) -> None:
    response = root.get(url("preview", done))
    page = response.content.decode()

    assert [pair.name for pair in response.context["groups"]] == ["Pro", "Free"]
    for words in ("Simulated", "replayed, not measured", "Turned away", "Quota used", "What this rests on"):
        assert words.lower() in page.lower()
    assert any(sentence.startswith("Free: p99 wait ") for sentence in response.context["sentences"])


def test_chart_has_both_sides_of_each_measure(root: Client, done: Preview) -> None:
    traces = root.get(url("preview", done)).context["tiers_figure"]["data"]

    assert [trace["name"] for trace in traces] == ["Before", "After"] * 4


def test_failed_preview_says_why_and_offers_a_trace(root: Client, preview: Preview) -> None:
    preview_jobs.preview(preview.pk)
    page = root.get(url("preview", preview)).content.decode()

    assert "No request was recorded" in page
    assert url("preview_trace", preview) in page


def test_again_starts_a_new_preview_of_the_same_values(root: Client, done: Preview) -> None:
    root.post(url("repeat_preview", done))
    newest = Preview.objects.first()

    assert newest
    assert (newest.pk != done.pk, newest.after, newest.state) == (True, done.after, PreviewState.QUEUED)


def test_save_puts_the_previewed_values_into_force(root: Client, done: Preview) -> None:
    response = root.post(url("save_preview", done))

    assert response.headers["Location"] == TIER
    assert Tier.objects.get(slug="free").weight == 9
    again = root.get(url("preview", done)).content.decode()
    assert "in force now" in again
    assert "Save and put into force" not in again


def test_save_says_that_the_tier_was_changed_meanwhile(root: Client, done: Preview) -> None:
    Tier.objects.filter(slug="free").update(weight=3)
    response = root.post(url("save_preview", done), follow=True)

    assert "Somebody changed this" in response.content.decode()
    assert Tier.objects.get(slug="free").weight == 3


def test_page_says_that_the_tier_was_changed_meanwhile_and_offers_no_save(
    root: Client, done: Preview
) -> None:
    assert "Save and put into force" in root.get(url("preview", done)).content.decode()
    Tier.objects.filter(slug="free").update(weight=3)
    page = root.get(url("preview", done)).content.decode()

    assert "Somebody changed this since the preview was made" in page
    assert "Save and put into force" not in page


def test_page_says_from_when_to_when_the_requests_are(root: Client, done: Preview) -> None:
    assert done.result
    first, last = (datetime.fromtimestamp(done.result[name] / 1000, UTC) for name in ("first_ms", "last_ms"))
    page = root.get(url("preview", done)).content.decode()

    assert last > first
    span = f"{first:%-d %b %H:%M} to {last:%-d %b %H:%M} UTC"
    assert f"40 requests of {span}" in page
    assert f"replayed: {span}" in page


def test_page_of_an_older_preview_names_no_span(root: Client, done: Preview) -> None:
    kept = {name: value for name, value in (done.result or {}).items() if name not in ("first_ms", "last_ms")}
    Preview.objects.update(result=kept)
    page = root.get(url("preview", done)).content.decode()

    assert "The last day's requests" in page
    assert "replayed: " not in page


def test_unfinished_preview_is_not_saved(root: Client, preview: Preview) -> None:
    assert root.post(url("save_preview", preview)).status_code == 403
    assert Tier.objects.get(slug="free").weight == 1


def test_page_of_a_deleted_tier_still_opens(root: Client, done: Preview) -> None:
    Tier.objects.get(slug="free").delete()

    assert root.get(url("preview", done)).status_code == 200
    assert "deleted" in root.post(url("repeat_preview", done), follow=True).content.decode()


# Traces -----------------------------------------------------------------------------------------------


def upload(root: Client, preview: Preview, content: bytes, **data: object) -> str:
    file = SimpleUploadedFile("azure.csv", content)
    parts = {f"part-{slug}": "1" for slug in Tier.objects.values_list("slug", flat=True)}
    response = root.post(url("preview_trace", preview), {"file": file, **parts, **data}, follow=True)
    return response.content.decode()


TRACE = b"t_s,input_tokens,output_tokens\n0,10,2\n1,20,3\n"


def test_trace_starts_a_preview_of_the_same_values(root: Client, preview: Preview, tight: Deployment) -> None:
    upload(root, preview, TRACE, deployment=tight.pk)
    newest = Preview.objects.first()

    assert newest
    assert (newest.source, newest.trace_label, newest.after) == (
        PreviewSource.TRACE,
        "azure.csv at Tight",
        preview.after,
    )


def test_issue_of_a_trace_is_shown_with_row_and_column(
    root: Client, preview: Preview, tight: Deployment
) -> None:
    page = upload(root, preview, TRACE + b"2,<b>,1\n", deployment=tight.pk)

    assert "Row 4, column input_tokens: “&lt;b&gt;” is no number" in page
    assert Preview.objects.count() == 1


def test_trace_without_tiers_needs_a_mix(root: Client, preview: Preview, tight: Deployment) -> None:
    none = {f"part-{slug}": "0" for slug in Tier.objects.values_list("slug", flat=True)}
    page = upload(root, preview, TRACE, deployment=tight.pk, **none)

    assert "give at least one a part" in page


def test_trace_of_unknown_tiers_is_refused(root: Client, preview: Preview, tight: Deployment) -> None:
    named = b"t_s,input_tokens,output_tokens,tier\n0,10,2,Pro\n"
    page = upload(root, preview, named, deployment=tight.pk)

    assert "Nobody knows the tiers Pro of the file." in page
    assert Preview.objects.count() == 1


def test_trace_needs_a_deployment(root: Client, preview: Preview) -> None:
    assert "This field is required" in upload(root, preview, TRACE)
