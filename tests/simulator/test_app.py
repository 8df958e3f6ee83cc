import httpx
import pytest

from readiness.simulator.app import create_app_from_environ
from tests.simulator.builders import ask
from tests.simulator.conftest import Simulate


@pytest.mark.parametrize(
    "path", ["/v1/models", "/sim/ledger", "/sim/models", "/nonesuch", "/v1/chat/completions"]
)
async def test_every_reply_is_marked_as_simulated(simulate: Simulate, path: str) -> None:
    assert (await simulate().get(path)).headers["x-simulated"] == "true"


@pytest.mark.parametrize("fault", ["429", "500", "slow"])
async def test_replies_to_chat_are_marked_as_simulated(simulate: Simulate, fault: str) -> None:
    client = simulate()
    for stream in (True, False):
        response = await ask(client, headers={"x-sim-fault": fault}, stream=stream)
        assert response.headers.get_list("x-simulated") == ["true"]


async def test_reply_repeats_the_request_id_of_the_client(simulate: Simulate) -> None:
    assert (await ask(simulate(), headers={"x-request-id": "mine"})).headers["x-request-id"] == "mine"


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129])
async def test_reply_has_an_id_of_its_own_where_the_clients_is_unfit(simulate: Simulate, sent: str) -> None:
    assert (await ask(simulate(), headers={"x-request-id": sent})).headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nonesuch", 404), ("GET", "/sim/reset", 405)]
)
async def test_unknown_address_is_refused_in_the_wires_shape(
    simulate: Simulate, method: str, path: str, status: int
) -> None:
    refused = await simulate().request(method, path)
    assert refused.status_code == status
    assert refused.json()["error"]["type"] == "invalid_request_error"


async def test_environment_sets_the_key_prefix() -> None:
    app = create_app_from_environ({"SIMULATOR_KEY_PREFIX": "try-", "SIMULATOR_SPEED": "inf"})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://simulator") as client:
        statuses = [
            (await client.get("/v1/models", headers={"authorization": f"Bearer {key}"})).status_code
            for key in ("try-me", "sim-me")
        ]
    assert statuses == [200, 401]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SIMULATOR_SPEED", "0"),
        ("SIMULATOR_SPEED", "fast"),
        ("SIMULATOR_SPEED", "nan"),
        ("SIMULATOR_SEED", "1.5"),
    ],
)
def test_environment_that_makes_no_sense_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        create_app_from_environ({name: value})


def test_environment_set_to_nothing_counts_as_not_set() -> None:
    assert create_app_from_environ({"SIMULATOR_SPEED": " ", "SIMULATOR_SEED": ""})
