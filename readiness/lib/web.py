"""Small helpers that every page uses."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect


def row_id(text: str) -> int | None:
    """The number of a row from an address; None for whatever cannot be one. Databases end at 18 digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def asked_text(request: HttpRequest, name: str, longest: int = 200) -> str:
    """A text of the query string, trimmed; without NUL, on which PostgreSQL fails in every comparison."""
    return request.GET.get(name, "").replace("\0", "").strip()[:longest]


def wants_fragment(request: HttpRequest) -> bool:
    """True when htmx asks for a part of a page: not a boosted link, not a restored history entry."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def vary_on_htmx(response: HttpResponse) -> HttpResponse:
    """Marks a response whose body depends on ``wants_fragment``, so that no cache mixes the two."""
    patch_vary_headers(response, ["HX-Request"])
    return response


class HttpResponseSeeOther(HttpResponseRedirect):
    """303: the browser gets the new address, whatever it sent to the old one."""

    status_code = 303


def see_other(request: HttpRequest, url: str) -> HttpResponse:
    """After a successful post: a redirect that htmx follows as a full page and browsers follow as 303."""
    if wants_fragment(request):
        return HttpResponseClientRedirect(url)
    return HttpResponseSeeOther(url)
