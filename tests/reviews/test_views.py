"""The pages of the queue, with and without htmx, and who may use them."""

import json

import pytest
from django.urls import reverse

from readiness.reviews.models import Decision, ItemState, Reason, Stream
from tests.builders import make_review_item

HTMX = {"HX-Request": "true"}


def url(name, project, *args):
    return reverse(f"reviews:{name}", args=[project.slug, *args])


@pytest.fixture
def item(project):
    return make_review_item(
        project, findings=[{"start": 17, "end": 28, "kind": "number", "text": "three years"}]
    )


@pytest.fixture
def reviewing(as_user, rita, project, item):
    """Rita's browser with the item leased to her."""
    client = as_user(rita)
    client.get(url("queue", project))
    item.refresh_from_db()
    return client


def decide(client, project, item, fragment=False, **data):
    data = {"token": item.lease_token, "verdict": "approve"} | data
    return client.post(url("decide", project, item.pk), data, headers=HTMX if fragment else {})


GETS = ["queue", "history", "item", "export"]
POSTS = ["decide", "skip", "renew", "restore", "undo"]


def address(name, project, item):
    arguments = {"item": [item.pk], "export": ["csv"], "undo": [1], "restore": [], "queue": [], "history": []}
    return url(name, project, *arguments.get(name, [item.pk]))


@pytest.mark.parametrize("fragment", [False, True])
@pytest.mark.parametrize("name", GETS + POSTS)
def test_stranger_finds_nothing(as_user, charlie, project, item, name, fragment):
    send = as_user(charlie).get if name in GETS else as_user(charlie).post
    assert send(address(name, project, item), headers=HTMX if fragment else {}).status_code == 404


@pytest.mark.parametrize("who", ["auditor", "bob"])
@pytest.mark.parametrize("name", POSTS)
def test_people_below_reviewer_change_nothing(request, as_user, project, item, who, name):
    response = as_user(request.getfixturevalue(who)).post(address(name, project, item), headers=HTMX)
    assert response.status_code == 403


@pytest.mark.parametrize("name", GETS)
def test_viewer_reads_everything(as_user, auditor, project, item, name):
    assert as_user(auditor).get(address(name, project, item)).status_code == 200


def test_viewer_takes_no_lease(as_user, auditor, project, item):
    response = as_user(auditor).get(url("queue", project))
    item.refresh_from_db()
    assert item.leased_by is None
    assert item.question in response.text


def test_items_of_another_project_are_not_found(as_user, rita, project):
    from readiness.projects.models import Project

    other = make_review_item(Project.objects.create(name="Other", slug="other"))
    assert as_user(rita).post(url("decide", project, other.pk)).status_code == 404


def test_queue_shows_the_leased_item_with_its_marks(reviewing, project, item):
    response = reviewing.get(url("queue", project))
    assert '<mark class="missing" title="number not in the source">three years</mark>' in response.text


def test_model_output_is_escaped(as_user, rita, project):
    make_review_item(project, output="<script>alert(1)</script>", question="<b>bold?</b>", source="<i>s</i>")
    text = as_user(rita).get(url("queue", project)).text
    assert "<script>alert" not in text
    assert "<b>bold" not in text
    assert "<i>s" not in text


def test_fragment_holds_the_item_without_the_page(reviewing, project, item):
    text = reviewing.get(url("queue", project), headers=HTMX).text
    assert item.question in text
    assert "<html" not in text


def test_approval_by_plain_form_leads_back_to_the_queue(reviewing, project, item):
    response = decide(reviewing, project, item)
    assert (response.status_code, response.headers["Location"]) == (303, url("queue", project))
    item.refresh_from_db()
    assert item.state == ItemState.APPROVED


def test_verdict_by_htmx_answers_with_the_next_item(reviewing, project, item):
    after = make_review_item(project)
    response = decide(reviewing, project, item, fragment=True)
    assert after.question in response.text
    assert f"Approved: {item.question}" in response.text


def test_rejection_keeps_reason_and_note(reviewing, project, item):
    decide(reviewing, project, item, verdict="reject", reason="contradicts", note="Two, not three.")
    decision = Decision.objects.get()
    assert (decision.reason, decision.note) == (Reason.CONTRADICTS, "Two, not three.")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"verdict": "reject"}, "A rejection needs a reason"),
        ({"verdict": "reject", "reason": "other"}, "Say in the note what is wrong"),
        ({"verdict": "reject", "reason": "because"}, "because is not one of the available choices"),
        ({"verdict": "correct", "corrected_output": " "}, "A correction cannot be empty"),
        (
            {"verdict": "correct", "corrected_output": "Warranty 1 lasts three years.\r\n"},
            "Nothing was changed",
        ),
    ],
)
def test_incomplete_verdict_is_told_and_nothing_is_written(reviewing, project, item, data, words):
    response = decide(reviewing, project, item, fragment=True, **data)
    assert response.status_code == 422
    assert words in response.text
    assert not Decision.objects.exists()


def test_incomplete_rejection_keeps_its_note(reviewing, project, item):
    response = decide(reviewing, project, item, verdict="reject", note="Half a thought")
    assert "Half a thought" in response.text


def test_correction_is_kept_with_plain_line_ends(reviewing, project, item):
    decide(reviewing, project, item, verdict="correct", corrected_output="Two years.\r\nBattery too.")
    assert Decision.objects.get().corrected_output == "Two years.\nBattery too."


@pytest.mark.parametrize("fragment", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        {"verdict": "correct", "corrected_output": "My long draft"},
        {"verdict": "reject", "note": "My long draft"},  # incomplete as well
    ],
)
def test_verdict_with_a_lost_lease_keeps_the_draft(reviewing, project, item, alice, fragment, data):
    token = item.lease_token
    item.lease_token, item.leased_by = "0" * 32, alice
    item.save()
    response = decide(reviewing, project, item, fragment=fragment, token=token, **data)
    assert response.status_code == 409
    assert "My long draft" in response.text
    assert not Decision.objects.exists()


def test_verdict_on_a_decided_item_says_what_was_decided(reviewing, project, item):
    decide(reviewing, project, item)
    response = decide(reviewing, project, item)
    assert response.status_code == 409
    assert "decided already: approved" in response.text


def test_skip_then_the_empty_queue_says_why_and_offers_it_again(reviewing, project, item):
    response = reviewing.post(url("skip", project, item.pk), {"token": item.lease_token}, headers=HTMX)
    assert "1 skipped by you" in response.text
    assert "Show me what I skipped" in response.text
    assert item.question in reviewing.post(url("restore", project), headers=HTMX).text


def test_empty_queue_says_where_items_come_from(as_user, rita, project):
    assert "New items come from spot-checks" in as_user(rita).get(url("queue", project)).text


def test_undo_brings_the_item_back(reviewing, project, item):
    decide(reviewing, project, item)
    response = reviewing.post(url("undo", project, Decision.objects.get().pk), headers=HTMX)
    item.refresh_from_db()
    assert item.state == ItemState.WAITING
    assert "Taken back" in response.text


def test_undo_of_somebody_elses_verdict_is_refused_in_words(reviewing, as_user, alice, project, item):
    decide(reviewing, project, item)
    response = as_user(alice).post(url("undo", project, Decision.objects.get().pk), headers=HTMX)
    assert "Only your own verdict" in response.text


def test_earlier_verdicts_can_be_looked_at_without_a_lease(reviewing, project, item):
    make_review_item(project)
    decide(reviewing, project, item)
    response = reviewing.get(url("queue", project), {"back": "1"})
    assert "You decided this" in response.text
    assert item.question in response.text


def test_looking_further_back_than_there_are_verdicts_shows_the_queue(reviewing, project, item):
    assert item.question in reviewing.get(url("queue", project), {"back": "99"}).text


def test_renewing_extends_the_lease(reviewing, project, item):
    before = item.leased_until
    reviewing.post(url("renew", project, item.pk), {"token": item.lease_token}, headers=HTMX)
    item.refresh_from_db()
    assert item.leased_until > before


def test_renewing_a_lost_lease_says_so(reviewing, project, item):
    response = reviewing.post(url("renew", project, item.pk), {"token": "0" * 32}, headers=HTMX)
    assert "Your lease is over" in response.text


def test_history_filters_by_state_stream_and_text(as_user, auditor, project):
    make_review_item(project, question="Alpha?", state=ItemState.APPROVED)
    make_review_item(project, question="Beta?", stream=Stream.RANDOM)
    make_review_item(project, question="Gamma?")
    client = as_user(auditor)

    def found(**query):
        page = client.get(url("history", project), query).context["page"]
        return {item.question for item in page}

    assert found(state="approved") == {"Alpha?"}
    assert found(stream="random") == {"Beta?"}
    assert found(text="gamma") == {"Gamma?"}
    assert found(state="nonsense") == {"Alpha?", "Beta?", "Gamma?"}


def test_history_asks_no_more_queries_for_more_items(
    as_user, auditor, project, django_assert_max_num_queries
):
    client = as_user(auditor)
    for _ in range(20):
        make_review_item(project)
    with django_assert_max_num_queries(12):
        client.get(url("history", project))


def test_item_page_lists_its_decisions(reviewing, project, item):
    decide(reviewing, project, item, verdict="reject", reason="other", note="It is two.")
    assert "It is two." in reviewing.get(url("item", project, item.pk)).text


def test_export_as_jsonl_downloads_every_decision(reviewing, project, item):
    decide(reviewing, project, item)
    response = reviewing.get(url("export", project, "jsonl"))
    (line,) = response.getvalue().decode().splitlines()
    assert json.loads(line)["reviewer"] == "rita"
    assert "handbook-decisions.jsonl" in response.headers["Content-Disposition"]


def test_every_key_of_the_table_has_its_control_and_its_line_in_the_list(reviewing, project, item):
    from readiness.reviews.keys import KEYS, REASON_KEYS

    make_review_item(project)
    decide(reviewing, project, item)
    pages = reviewing.get(url("queue", project)).text + reviewing.get(url("queue", project), {"back": 1}).text
    for key in [*KEYS.values(), *REASON_KEYS.values()]:
        assert f'data-key="{key.key}"' in pages, key
    for key in KEYS.values():
        assert f"<dt><kbd>{key.badge}</kbd></dt><dd>{key.does}</dd>" in pages
