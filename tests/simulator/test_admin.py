import pytest

from readiness.simulator.app import create_app
from readiness.simulator.profiles import DEFAULT_PROFILES
from tests.simulator.builders import MODEL, ManualClock, ask, ledger_of
from tests.simulator.conftest import Simulate


async def test_ledger_names_models_that_nobody_asked(simulate: Simulate) -> None:
    assert (await ledger_of(simulate()))["seen"] == 0


async def test_ledger_has_rows_on_request(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=1)
    await ask(client, headers={"x-request-id": "mine-1"}, stream=True)
    assert "requests" not in (await client.get("/sim/ledger")).json()
    (row,) = (await client.get("/sim/ledger?details=1")).json()["requests"]
    assert (row["request_id"], row["model"], row["outcome"], row["stream"]) == (
        "mine-1",
        MODEL,
        "completed",
        True,
    )
    assert row["alteration"]["kind"] in {"number", "name", "negation"}


async def test_reset_empties_the_ledger_and_refills_quotas(simulate: Simulate) -> None:
    client = simulate(quota={"rpm": 1})
    await ask(client)
    await client.post("/sim/faults", json={"kind": 500, "count": 5})
    await client.post("/sim/reset")
    assert (await ledger_of(client))["seen"] == 0
    assert (await ask(client)).status_code == 200


async def test_models_are_published_with_their_prices(simulate: Simulate) -> None:
    body = (await simulate().get("/sim/models")).json()
    assert body["simulated"] is True
    assert body["models"][MODEL]["price"] == {
        "input_usd_per_million": "1.00",
        "output_usd_per_million": "2.00",
    }


async def test_put_changes_a_quota_at_run_time(simulate: Simulate, clock: ManualClock) -> None:
    client = simulate(speed=float("inf"), quota={"rpm": 100})
    await client.put(f"/sim/models/{MODEL}", json={"quota": {"rpm": 2}})
    assert [(await ask(client)).status_code for _ in range(3)] == [200, 200, 429]
    await client.put(f"/sim/models/{MODEL}", json={"quota": {"rpm": None}})
    assert (await ask(client)).status_code == 200


async def test_put_makes_a_new_model_like_another(simulate: Simulate) -> None:
    client = simulate()
    made = await client.put("/sim/models/sim-new", json={"like": MODEL, "error_rate": 1})
    assert made.status_code == 200
    assert (await ask(client, model="sim-new")).status_code == 500
    assert (await ask(client)).status_code == 200


@pytest.mark.parametrize("body", [{}, {"like": "nonesuch"}, {"like": 5}])
async def test_put_of_an_unknown_model_needs_one_to_start_from(
    simulate: Simulate, body: dict[str, object]
) -> None:
    client = simulate()
    refused = await client.put("/sim/models/sim-new", json=body)
    assert refused.status_code == 404
    assert "like" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "body", ['{"quota": {"rpm": 0}}', '{"quota": {"rpm": "many"}}', '{"colour": 1}', "[]", "{"]
)
async def test_put_of_nonsense_changes_nothing(simulate: Simulate, body: str) -> None:
    client = simulate()
    before = (await client.get("/sim/models")).json()
    assert (await client.put(f"/sim/models/{MODEL}", content=body)).status_code == 400
    assert (await client.get("/sim/models")).json() == before


async def test_put_refuses_an_odd_model_id(simulate: Simulate) -> None:
    assert (await simulate().put("/sim/models/a%20b", json={"like": MODEL})).status_code == 400


async def test_fault_is_confirmed_as_planned(simulate: Simulate) -> None:
    planned = await simulate().post("/sim/faults", json={"kind": 429, "count": 2, "retry_after": 3})
    assert planned.status_code == 201
    assert (planned.json()["kind"], planned.json()["count"], planned.json()["retry_after"]) == ("429", 2, 3)


async def test_fault_of_an_unknown_model_is_a_404(simulate: Simulate) -> None:
    refused = await simulate().post("/sim/faults", json={"kind": 429, "count": 2, "model": "nonesuch"})
    assert refused.status_code == 404


async def test_fault_without_a_measure_is_a_400(simulate: Simulate) -> None:
    refused = await simulate().post("/sim/faults", json={"kind": 429})
    assert refused.status_code == 400
    assert "count or seconds" in refused.json()["error"]["message"]


async def test_account_limits_change_one_by_one_and_null_removes(simulate: Simulate) -> None:
    client = simulate()
    await client.put("/sim/account", json={"rpm": 5, "tpm": 100, "window": "sliding"})
    changed = (await client.put("/sim/account", json={"rpm": None})).json()
    assert (changed["rpm"], changed["tpm"], changed["window"]) == (None, 100, "sliding")
    assert (await client.get("/sim/account")).json() == changed


@pytest.mark.parametrize(
    "body", ['{"rpm": 0}', '{"accounting": "openai"}', '{"zone": "Mars/Base"}', '{"edge_s": 60}', "[]"]
)
async def test_account_limits_that_make_no_sense_change_nothing(simulate: Simulate, body: str) -> None:
    client = simulate()
    before = (await client.get("/sim/account")).json()
    assert (await client.put("/sim/account", content=body)).status_code == 400
    assert (await client.get("/sim/account")).json() == before


async def test_two_apps_share_nothing(simulate: Simulate) -> None:
    one, two = simulate(), simulate()
    await ask(one)
    assert (await ledger_of(two))["seen"] == 0


def test_changes_never_reach_the_default_profiles() -> None:
    create_app()
    assert set(DEFAULT_PROFILES) == {f"sim-{name}-2026-06" for name in ("small", "medium", "large", "judge")}
