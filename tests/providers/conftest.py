"""A real server on this machine that lists models, as every OpenAI-compatible one does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pytest_django import Settings

KEY = "sk-live-0123456789abcdef"


class _Models(BaseHTTPRequestHandler):
    """Lists two models to whoever has the key, and says that it is simulated."""

    def do_GET(self) -> None:
        good = self.headers["authorization"] == f"Bearer {KEY}"
        body = json.dumps(
            {"data": [{"id": "gpt-4o-mini"}, {"id": "gpt-4o"}]} if good else {"error": {}}
        ).encode()
        self.send_response(200 if good else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-simulated", "true")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def models_url(settings: Settings) -> Iterator[str]:
    """Base URL of a real server on this machine, which the site allows."""
    settings.ALLOW_PRIVATE_UPSTREAMS = True
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Models)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()
