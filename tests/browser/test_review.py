"""A reviewer at the queue, with the keyboard alone, on a narrow screen, and without a script."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from readiness.reviews.models import Decision, ItemState, ReviewItem
from tests.builders import make_review_item

FINDING = {"start": 17, "end": 28, "kind": "number", "text": "three years", "scorer": "unsupported_details"}


@pytest.fixture
def queue(page, sign_in, project, rita):
    """Rita's queue of eleven items, opened."""
    now = timezone.now()
    for age in range(11, 0, -1):
        make_review_item(project, findings=[FINDING], created_at=now - timedelta(minutes=age))
    sign_in(page, rita)
    page.goto(reverse("reviews:queue", args=[project.slug]))
    return page


def title(number):
    return f"How long is warranty {number}?"


def at(page, number):
    """Waits until the item is shown and holds the focus, as after every verdict."""
    expect(page.locator("#review-title")).to_have_text(title(number))


def states():
    return list(ReviewItem.objects.order_by("id").values_list("state", flat=True))


def test_reviewer_decides_ten_items_by_keyboard(queue, project, rita):
    page, loads = queue, []
    page.on("load", lambda loaded: loads.append(loaded.url))
    for number in (1, 2, 3):
        at(page, number)
        page.keyboard.press("a")
    at(page, 4)
    page.keyboard.press("r")
    page.keyboard.press("1")
    at(page, 5)
    page.keyboard.press("r")
    page.get_by_label("Note").fill("The unit is wrong.")
    page.keyboard.press("Control+Enter")
    at(page, 6)
    page.keyboard.press("e")
    expect(page.get_by_label("Corrected answer")).to_be_focused()
    page.get_by_label("Corrected answer").fill("Warranty 6 lasts two years.")
    page.keyboard.press("Control+Enter")
    at(page, 7)
    page.keyboard.press("a")
    at(page, 8)
    page.keyboard.press("u")  # takes the approval of 7 back
    at(page, 7)
    page.keyboard.press("r")
    page.keyboard.press("2")
    at(page, 8)
    page.keyboard.press("s")
    for number in (9, 10, 11):
        at(page, number)
        expect(page.locator("#review-title")).to_be_focused()
        page.keyboard.press("a")
    expect(page.get_by_role("heading", name="Nothing is free for you right now")).to_be_visible()
    assert loads == []
    approved, rejected = ItemState.APPROVED, ItemState.REJECTED
    assert states() == [
        *[approved] * 3, rejected, rejected, ItemState.CORRECTED, rejected, ItemState.WAITING, *[approved] * 3
    ]  # fmt: skip
    assert Decision.objects.standing().count() == 10
    assert Decision.objects.get(item__question=title(5)).note == "The unit is wrong."


def test_k_and_j_look_back_and_forth(queue):
    at(queue, 1)
    queue.keyboard.press("a")
    at(queue, 2)
    queue.keyboard.press("k")
    at(queue, 1)
    expect(queue.get_by_text("You decided this")).to_be_visible()
    queue.keyboard.press("j")
    at(queue, 2)


def test_typing_a_correction_presses_no_key(queue):
    at(queue, 1)
    queue.keyboard.press("e")
    queue.get_by_label("Corrected answer").press_sequentially(" as")
    at(queue, 1)
    assert not Decision.objects.exists()
    queue.keyboard.press("Escape")
    expect(queue.get_by_label("Corrected answer")).not_to_be_focused()


def test_going_to_settings_by_keys_skips_nothing(queue, project):
    at(queue, 1)
    queue.keyboard.press("g")
    queue.keyboard.press("s")
    expect(queue.get_by_role("heading", name="Settings")).to_be_visible()
    assert ReviewItem.objects.get(question=title(1)).skips.count() == 0


def test_lost_lease_keeps_the_draft_on_the_page(queue, alice, problems):
    at(queue, 1)
    queue.keyboard.press("e")
    queue.get_by_label("Corrected answer").fill("A draft of some length")
    ReviewItem.objects.filter(question=title(1)).update(lease_token="0" * 32, leased_by=alice)
    queue.keyboard.press("Control+Enter")
    expect(queue.get_by_label("What you typed")).to_have_value("A draft of some length")
    problems.clear()  # the browser notes the answer 409


def test_question_mark_lists_the_keys_of_the_queue(queue):
    at(queue, 1)
    queue.keyboard.press("?")
    expect(queue.get_by_role("dialog")).to_contain_text("Approve the answer")


@pytest.mark.parametrize("width", [360, 390, 760, 1440])
@pytest.mark.parametrize("name", ["queue", "history"])
def test_page_fits_its_window(queue, project, width, name):
    queue.set_viewport_size({"width": width, "height": 800})
    queue.goto(reverse(f"reviews:{name}", args=[project.slug]))
    assert queue.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def test_reviewer_decides_without_a_script(chromium, live_server, sign_in, project, rita):
    make_review_item(project)
    make_review_item(project)
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, rita)
    page.goto(reverse("reviews:queue", args=[project.slug]))
    page.get_by_role("button", name="Approve").click()
    at(page, 2)
    page.locator("summary", has_text="Reject").click()
    page.get_by_role("button", name="Contradicts the source").click()
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    context.close()
    assert states() == [ItemState.APPROVED, ItemState.REJECTED]
