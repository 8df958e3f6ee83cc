import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.local.__main__ import first_page_status


class Site(BaseHTTPRequestHandler):
    """Redirects strangers to a sign-in page; everything else is broken."""

    def do_GET(self) -> None:
        self.send_response({"/": 302, "/sign-in": 200}.get(self.path, 500))
        self.send_header("Location", "/sign-in")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def site() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_first_page_is_followed_to_the_sign_in_page(site: str) -> None:
    assert first_page_status(f"{site}/") == 200


def test_broken_page_is_told_from_a_missing_server(site: str) -> None:
    assert first_page_status(f"{site}/broken") == 500


def test_missing_server_has_no_status() -> None:
    with HTTPServer(("127.0.0.1", 0), Site, bind_and_activate=False) as server:
        server.server_bind()
        assert first_page_status(f"http://127.0.0.1:{server.server_port}/") is None
