"""Page or fragment, and what follows a post."""

import pytest
from django.http import HttpResponse
from django_htmx.middleware import HtmxDetails

from readiness.lib.web import asked_text, see_other, vary_on_htmx, wants_fragment


@pytest.fixture
def ask(rf):
    """``ask(HX_Request="true")``: a request with those headers, as the htmx middleware leaves it."""

    def build(**headers):
        request = rf.get("/", headers={name.replace("_", "-"): value for name, value in headers.items()})
        request.htmx = HtmxDetails(request)
        return request

    return build


def test_wants_fragment_of_a_plain_request_is_false(ask):
    assert not wants_fragment(ask())


def test_wants_fragment_of_htmx_is_true(ask):
    assert wants_fragment(ask(HX_Request="true"))


@pytest.mark.parametrize("header", ["HX_Boosted", "HX_History_Restore_Request"])
def test_wants_fragment_is_false_where_htmx_needs_the_page(ask, header):
    assert not wants_fragment(ask(HX_Request="true", **{header: "true"}))


@pytest.mark.parametrize(
    ("query", "text"),
    [({}, ""), ({"q": " a b "}, "a b"), ({"q": "a\0b\0"}, "ab"), ({"q": "ü" * 9}, "üüüüü")],
)
def test_asked_text_is_trimmed_and_has_no_nul(rf, query, text):
    assert asked_text(rf.get("/", query), "q", 5) == text


def test_see_other_makes_the_browser_get_the_address(ask):
    response = see_other(ask(), "/p/handbook/")
    assert (response.status_code, response.headers["Location"]) == (303, "/p/handbook/")


def test_see_other_makes_htmx_load_the_page(ask):
    assert see_other(ask(HX_Request="true"), "/p/handbook/").headers["HX-Redirect"] == "/p/handbook/"


def test_vary_on_htmx_keeps_page_and_fragment_apart_in_caches():
    assert vary_on_htmx(HttpResponse()).headers["Vary"] == "HX-Request"
