"""The frame that every page sits in: signing in, narrow screens, keys, menus, and a server that fails."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from readiness.accounts.models import User

PASSWORD = "an orange piano 7"


@pytest.fixture
def dora(transactional_db):
    """Somebody with a password and no project."""
    return User.objects.create_user("dora", "dora@example.com", PASSWORD)


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than the window."""
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def test_person_signs_in_sees_the_empty_list_and_signs_out(page, dora):
    page.goto("/")
    page.get_by_label("Username").fill("dora")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Create your first project")).to_be_visible()
    page.locator("summary", has_text="dora").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize("name", ["list", "new", "settings", "members", "audit"])
def test_page_fits_every_window(page, sign_in, project, alice, name):
    sign_in(page, alice)
    page.goto(reverse(f"projects:{name}", args=[] if name in {"list", "new"} else [project.slug]))
    for width in (360, 390, 760, 1000, 1440, 2560):
        page.set_viewport_size({"width": width, "height": 800})
        assert overflow(page) == 0, f"too wide for {width} px"


def test_narrow_screen_opens_the_navigation_as_a_drawer(page, sign_in, project, alice):
    sign_in(page, alice)
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(reverse("projects:settings", args=[project.slug]))
    link = page.locator("#nav-settings")
    expect(link).not_to_be_visible()
    page.get_by_role("button", name="Open navigation").click()
    expect(link).to_be_visible()
    page.keyboard.press("Escape")
    expect(link).not_to_be_visible()


def test_side_navigation_gets_its_marks_and_keeps_the_focus(page, sign_in, project, alice):
    sign_in(page, alice)
    page.route("**/nav/", lambda route: (page.locator("#nav-step-1").focus(), route.continue_()))
    page.goto(reverse("projects:settings", args=[project.slug]))
    for number in range(1, 7):
        expect(page.locator(f"#nav-mark-step-{number}")).to_contain_text("/8")
    assert page.evaluate("document.activeElement.id") == "nav-step-1"


def test_question_mark_lists_the_shortcuts_and_escape_closes_them(page, sign_in, project, alice):
    sign_in(page, alice)
    page.goto(reverse("projects:settings", args=[project.slug]))
    page.locator("h1").press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).not_to_be_visible()


def test_g_and_a_letter_open_a_page(page, sign_in, project, alice):
    sign_in(page, alice)
    page.goto(reverse("projects:settings", args=[project.slug]))
    page.locator("h1").press("g")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="Projects")).to_be_visible()


def test_letters_typed_into_a_field_open_nothing(page, sign_in, project, alice):
    sign_in(page, alice)
    page.goto(reverse("projects:settings", args=[project.slug]))
    field = page.get_by_label("Name", exact=True)
    field.fill("")
    field.press_sequentially("gh?")
    expect(field).to_have_value("gh?")
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()


def test_single_keys_can_be_switched_off(page, sign_in, project, alice):
    sign_in(page, alice)
    page.goto(reverse("projects:list"))
    page.locator("h1").press("?")
    page.get_by_label("Use single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.locator("h1").press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).not_to_be_visible()


def test_menu_closes_on_a_click_elsewhere_and_on_escape(page, sign_in, alice):
    sign_in(page, alice)
    page.goto(reverse("projects:list"))
    sign_out = page.get_by_role("button", name="Sign out")
    page.locator("summary", has_text="alice").click()
    expect(sign_out).to_be_visible()
    page.locator("h1").click()
    expect(sign_out).not_to_be_visible()
    page.locator("summary", has_text="alice").click()
    page.keyboard.press("Escape")
    expect(sign_out).not_to_be_visible()


def test_first_tab_stop_skips_to_the_content(page, sign_in, alice):
    sign_in(page, alice)
    page.goto(reverse("projects:list"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_fragment_that_fails_is_told_in_words(page, sign_in, alice, problems):
    sign_in(page, alice)
    page.goto(reverse("projects:list"))
    page.route("**/gone/", lambda route: route.fulfill(status=500, body=""))
    page.evaluate("htmx.ajax('GET', '/gone/', {target: 'main', swap: 'none'})")
    expect(page.get_by_role("status")).to_contain_text("The server could not do this (error 500).")
    problems.clear()


def test_fragment_after_the_session_ended_leads_to_the_sign_in_page_and_back(page, sign_in, project, alice):
    sign_in(page, alice)
    address = reverse("projects:settings", args=[project.slug])
    page.goto(address)
    page.context.clear_cookies()
    page.evaluate("htmx.ajax('GET', '/new/', {target: 'main'})")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert page.locator("input[name=next]").input_value() == address


def test_second_click_sends_nothing(page, sign_in, project, alice):
    sign_in(page, alice)
    page.goto(reverse("projects:settings", args=[project.slug]))
    sent = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.get_by_role("button", name="Save settings").dblclick()
    expect(page.get_by_text("The settings were saved.")).to_be_visible()
    assert len(sent) == 1


def test_new_project_without_a_script(chromium, live_server, sign_in, alice):
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, alice)
    page.goto(reverse("projects:new"))
    page.get_by_role("link", name="Chatbot").click()
    expect(page.get_by_label("Use case")).to_have_value("Chatbot")
    page.get_by_label("Name", exact=True).fill("Front desk")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_text("Front desk was created. You are its admin.")).to_be_visible()
    context.close()


@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/add/", "/admin/projects/project/"])
def test_database_admin_works_under_the_policy(page, sign_in, site_admin, path):
    sign_in(page, site_admin)
    page.goto(path)
    expect(page.get_by_role("link", name="Readiness: database admin")).to_be_visible()
