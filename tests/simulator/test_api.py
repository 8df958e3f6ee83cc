import httpx
import pytest

from readiness.simulator.wire import MAX_BODY_BYTES
from tests.simulator.builders import KEY, MODEL, ask, chat_body
from tests.simulator.conftest import Simulate


@pytest.mark.parametrize(
    ("authorization", "code"),
    [
        ("", "missing_api_key"),
        ("Basic abc", "missing_api_key"),
        ("Bearer ", "missing_api_key"),
        ("Bearer sk-private", "invalid_api_key"),
    ],
)
async def test_request_without_a_right_key_is_refused(
    simulate: Simulate, authorization: str, code: str
) -> None:
    client = simulate()
    for refused in (
        await ask(client, headers={"authorization": authorization}),
        await client.get("/v1/models", headers={"authorization": authorization}),
    ):
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == code
        assert "sk-private" not in refused.text
    assert (await client.get("/sim/ledger")).json()["unattributed"] == {"401": 1}


async def test_unknown_model_is_a_404(simulate: Simulate) -> None:
    client = simulate()
    refused = await ask(client, model="gpt-nonesuch")
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    assert (await client.get("/sim/ledger")).json()["unattributed"] == {"404": 1}


async def test_body_that_cannot_be_read_is_a_400(simulate: Simulate) -> None:
    client = simulate()
    refused = await client.post("/v1/chat/completions", content=b"{")
    assert refused.status_code == 400
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert (await client.get("/sim/ledger")).json()["unattributed"] == {"400": 1}


async def test_body_that_is_too_large_is_a_413(simulate: Simulate) -> None:
    refused = await simulate().post("/v1/chat/completions", content=b" " * (MAX_BODY_BYTES + 1))
    assert refused.status_code == 413


async def test_fault_header_that_makes_no_sense_is_a_400(simulate: Simulate) -> None:
    assert (await ask(simulate(), headers={"x-sim-fault": "fire"})).status_code == 400


async def test_models_are_listed_as_on_the_wire(simulate: Simulate) -> None:
    body = (await simulate().get("/v1/models")).json()
    assert body["object"] == "list"
    assert [(model["id"], model["object"]) for model in body["data"]] == [(MODEL, "model")]


async def test_each_key_has_a_quota_of_its_own(simulate: Simulate) -> None:
    client = simulate(quota={"rpm": 1})

    async def asked_with(key: str) -> httpx.Response:
        return await client.post(
            "/v1/chat/completions", json=chat_body(), headers={"authorization": f"Bearer {key}"}
        )

    assert [(await asked_with(key)).status_code for key in (KEY, KEY, "sim-bob")] == [200, 429, 200]
