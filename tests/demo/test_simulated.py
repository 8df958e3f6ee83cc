"""The simulated AI service, started for the seeding where it does not run, and told from other programs."""

import http.server
import threading
from urllib.parse import urlsplit

import pytest

from readiness.demo.simulated import NoServiceError, profiles, running_service


def test_running_service_is_started_and_ended(site: None) -> None:
    with running_service():
        assert "sim-medium-2026-06" in profiles()
    with pytest.raises(OSError, match="refused"):
        profiles()


def test_running_service_leaves_one_that_runs_already(service: None) -> None:
    with running_service():
        pass
    assert profiles()


def test_running_service_knows_another_program(site: None, settings: pytest.FixtureRequest) -> None:
    port = urlsplit(settings.SIMULATOR_URL).port
    server = http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(NoServiceError, match="Another program"), running_service():
            pass
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_running_service_says_where_nothing_answers(site: None, settings: pytest.FixtureRequest) -> None:
    settings.SIMULATOR_URL = "http://simulator.invalid:8790/v1"
    with pytest.raises(NoServiceError, match=r"does not answer at .*invalid"), running_service(patience_s=0):
        pass
