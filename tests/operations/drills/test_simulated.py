"""Drills reach the simulated AI service and nothing else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pytest_django import Settings

from readiness.operations.drills.simulated import NotSimulatedError, SimulatedModel, ensure_simulated


class _OtherService(BaseHTTPRequestHandler):
    """Answers everything, and says nothing of being simulated."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, *args: object) -> None:
        """Nothing to tell."""


@pytest.fixture
def other_service(settings: Settings) -> Iterator[None]:
    server = HTTPServer(("127.0.0.1", 0), _OtherService)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings.SIMULATOR_URL = f"http://127.0.0.1:{server.server_port}/v1"
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.usefixtures("other_service")
def test_service_that_does_not_say_it_is_simulated_is_refused() -> None:
    with pytest.raises(NotSimulatedError, match="is not the simulated AI service"):
        ensure_simulated()


@pytest.mark.usefixtures("other_service")
async def test_model_is_not_made_at_another_service() -> None:
    with pytest.raises(NotSimulatedError):
        await SimulatedModel("drill-x").prepare({})


def test_service_that_does_not_answer_is_refused(settings: Settings) -> None:
    settings.SIMULATOR_URL = "http://127.0.0.1:9/v1"
    with pytest.raises(NotSimulatedError, match="The simulated AI service does not answer"):
        ensure_simulated()


@pytest.mark.usefixtures("simulator")
async def test_ledger_counts_from_when_the_model_was_made() -> None:
    model = SimulatedModel("drill-ledger")
    await model.prepare({"quota": {"rpm": 7}})

    assert set((await model.ledger()).values()) == {0}
    assert await model.charged() == set()
