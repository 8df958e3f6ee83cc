from collections import Counter

import pytest

from tests.simulator.builders import MODEL, ManualClock, ask, chat_body, judging_body, ledger_of, said, tell
from tests.simulator.conftest import Simulate

WARRANTY = "Its warranty lasts 24 months."


async def test_charge_is_the_larger_of_output_limit_and_estimate(simulate: Simulate) -> None:
    client = simulate(default_max_tokens=300)
    await ask(client, max_tokens=50)
    estimate = (await ledger_of(client))["admitted_input_tokens"]
    assert 40 < estimate < 60
    assert (await ledger_of(client))["charged_tokens"] == max(50, estimate)
    await ask(client, max_tokens=200)
    await ask(client)
    assert (await ledger_of(client))["charged_tokens"] == max(50, estimate) + 200 + 300


async def test_quota_429_says_what_is_short_and_how_long(simulate: Simulate) -> None:
    client = simulate(speed=float("inf"), quota={"rpm": 2})
    await ask(client)
    await ask(client)
    refused = await ask(client)
    assert refused.status_code == 429
    assert refused.json()["error"] == {
        "message": "Rate limit reached for sim-test on requests per min (RPM): Limit 2, Used 2, Requested 1. "
        "Please try again in 30s.",
        "type": "requests",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert refused.headers["retry-after"] == "30"
    assert refused.headers["retry-after-ms"] == "30000"
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert (await ledger_of(client))["quota_429"] == 1


async def test_quota_refills_with_time(simulate: Simulate, clock: ManualClock) -> None:
    client = simulate(speed=float("inf"), quota={"rpm": 1})
    await ask(client)
    assert (await ask(client)).status_code == 429
    clock.advance(60)
    assert (await ask(client)).status_code == 200


async def test_place_of_an_ended_request_serves_the_next(simulate: Simulate) -> None:
    client = simulate(quota={"concurrency": 1})
    assert [(await ask(client)).status_code for _ in range(3)] == [200, 200, 200]


async def test_request_above_the_whole_quota_is_not_told_to_wait(simulate: Simulate) -> None:
    refused = await ask(simulate(quota={"tpm": 100}), max_tokens=101)
    assert refused.status_code == 429
    assert refused.json()["error"]["message"].startswith("Request too large for sim-test on tokens per min")
    assert "retry-after" not in refused.headers


async def test_request_beyond_the_context_is_a_400(simulate: Simulate) -> None:
    client = simulate(context_tokens=100)
    refused = await ask(client, max_tokens=100)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    assert (await ledger_of(client))["invalid"] == 1


async def test_answer_at_temperature_zero_is_always_the_same(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=0.5)
    assert len({said(await ask(client, seed=seed)) for seed in (None, *range(20))}) == 1


async def test_same_seed_gives_the_same_answers_in_another_process(simulate: Simulate) -> None:
    questions = [f"What of the dock and its warranty, part {number}?" for number in range(20)]
    one, two, other = (simulate(seed=seed, hallucination_rate=0.5) for seed in (1, 1, 2))
    answers = [
        [said(await ask(client, question=question)) for question in questions] for client in (one, two, other)
    ]
    assert answers[0] == answers[1] != answers[2]


async def test_asking_again_at_a_temperature_may_bring_another_answer(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=0.5)
    answers = Counter([said(await ask(client, temperature=1)).endswith(WARRANTY) for _ in range(60)])
    assert 15 < answers[True] < 45


async def test_warmth_makes_another_answer_likelier(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=0.5)
    distinct = [len({said(await ask(client, temperature=warmth)) for _ in range(40)}) for warmth in (0.05, 1)]
    assert distinct[0] < distinct[1]


async def test_seed_of_the_request_fixes_a_warm_answer(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=0.5)
    assert len({said(await ask(client, temperature=1, seed=5)) for _ in range(20)}) == 1
    assert len({said(await ask(client, temperature=1, seed=seed)) for seed in range(20)}) > 1


async def test_altered_answers_are_counted_in_the_ledger(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=0.3, seed=3)
    wrong = sum([not said(await ask(client, temperature=1)).endswith(WARRANTY) for _ in range(200)])
    assert (await ledger_of(client))["altered"] == wrong
    assert 35 < wrong < 85


async def test_alteration_that_was_cut_off_is_not_counted(simulate: Simulate) -> None:
    client = simulate(hallucination_rate=1)
    response = await ask(client, max_tokens=1)
    assert response.json()["choices"][0]["finish_reason"] == "length"
    assert (await client.get("/sim/ledger?details=1")).json()["requests"][0]["alteration"] is None
    assert (await ledger_of(client))["altered"] == 0


async def test_output_stops_at_the_limit_of_the_request(simulate: Simulate) -> None:
    response = await ask(simulate(), max_tokens=3)
    assert response.json()["usage"]["completion_tokens"] == 3
    assert response.json()["choices"][0]["finish_reason"] == "length"


async def test_failures_come_at_the_rate_of_the_profile(simulate: Simulate) -> None:
    client = simulate(error_rate=0.3)
    failed = sum([(await ask(client)).status_code == 500 for _ in range(200)])
    assert 35 < failed < 85
    assert (await ledger_of(client))["failed"] == failed


async def test_judge_answers_a_judging_prompt_with_a_verdict(simulate: Simulate) -> None:
    response = await simulate(judge=True).post(
        "/v1/chat/completions", json=judging_body("Its warranty lasts 36 months.")
    )
    assert said(response).startswith('{"verdict": "unsupported", "spans": ["36"]')


async def test_judge_answers_other_prompts_like_any_model(simulate: Simulate) -> None:
    assert said(await ask(simulate(judge=True))).endswith(WARRANTY)


async def test_turned_verdicts_are_counted_in_the_ledger(simulate: Simulate) -> None:
    client = simulate(judge=True, verdict_error_rate=1)
    response = await client.post("/v1/chat/completions", json=judging_body(WARRANTY))
    assert "unsupported" in said(response)
    assert (await ledger_of(client))["turned_verdicts"] == 1


async def test_plain_model_does_not_judge(simulate: Simulate) -> None:
    response = await simulate().post("/v1/chat/completions", json=judging_body(WARRANTY))
    assert "verdict" not in said(response)


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("429", 429, True),
        ("billing", 429, False),
        ("ramp", 429, True),
        ("500", 500, False),
        ("503", 503, True),
        ("529", 529, True),
    ],
)
async def test_fault_answers_with_its_status(simulate: Simulate, kind: str, status: int, told: bool) -> None:
    response = await ask(simulate(), headers={"x-sim-fault": f"{kind}; retry_after=2.5"})
    assert response.status_code == status
    assert response.headers.get("retry-after") == ("3" if told else None)


@pytest.mark.parametrize(
    ("kind", "code"),
    [("429", "rate_limit_exceeded"), ("billing", "insufficient_quota"), ("ramp", "slow_down")],
)
async def test_refusing_faults_differ_in_their_code(simulate: Simulate, kind: str, code: str) -> None:
    client = simulate()
    assert (await ask(client, headers={"x-sim-fault": kind})).json()["error"]["code"] == code
    assert (await ledger_of(client))["fault_429"] == 1


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        ("429", 429, "rate_limit_error"),
        ("billing", 402, "billing_error"),
        ("ramp", 429, "rate_limit_error"),
        ("500", 500, "api_error"),
        ("503", 503, "overloaded_error"),
        ("529", 529, "overloaded_error"),
    ],
)
async def test_fault_speaks_the_wire_of_the_request(
    simulate: Simulate, kind: str, status: int, type_: str
) -> None:
    response = await tell(simulate(), headers={"x-sim-fault": kind})
    assert (response.status_code, response.json()["error"]["type"]) == (status, type_)


async def test_silent_model_tells_nothing_about_its_limits(simulate: Simulate) -> None:
    client = simulate(speed=float("inf"), headers=False, quota={"rpm": 1})
    replies = [
        await ask(client),
        await ask(client),
        await tell(client),
        await ask(client, headers={"x-sim-fault": "429; retry_after=5"}),
    ]
    assert [reply.status_code for reply in replies] == [200, 429, 429, 429]
    names = {name for reply in replies for name in reply.headers}
    assert not [name for name in names if "ratelimit" in name or "retry" in name]


async def test_jitter_delays_the_way_to_the_quota(simulate: Simulate, clock: ManualClock) -> None:
    client = simulate(speed=float("inf"), jitter_seconds=0.5, quota={"rpm": 60})
    for _ in range(40):
        await ask(client)
    assert all(0 <= seconds <= 0.5 for seconds in clock.slept)
    assert max(clock.slept) - min(clock.slept) > 0.2
    ledger = (await client.get("/sim/ledger?details=1")).json()
    assert ledger["requests"][0]["at"] - ledger["since"] == pytest.approx(clock.slept[0], abs=1e-3)


async def test_fixed_answer_is_said_whatever_was_asked(simulate: Simulate) -> None:
    client = simulate(fixed_answer="Yes.", judge=True)
    assert said(await ask(client, question="Why?")) == "Yes."


async def test_limits_above_all_models_count_every_model(simulate: Simulate) -> None:
    client = simulate(speed=float("inf"))
    await client.put("/sim/models/sim-new", json={"like": MODEL})
    await client.put("/sim/account", json={"rpm": 2})
    replies = [await ask(client), await ask(client, model="sim-new"), await ask(client, model="sim-new")]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert "requests per min of the account (RPM)" in replies[2].json()["error"]["message"]
    timelines = (await client.get("/sim/ledger?timeline=1")).json()["timelines"]
    assert [each["limit"] for each in timelines["sim-new"]["quota_429"]] == ["account rpm"]


@pytest.mark.parametrize("window", ["continuous", "sliding", "fixed"])
async def test_waiting_as_told_is_enough_with_every_window(
    simulate: Simulate, clock: ManualClock, window: str
) -> None:
    client = simulate(speed=float("inf"), quota={"rpm": 3, "window": window})
    for _ in range(3):
        assert (await ask(client)).status_code == 200
    refused = await ask(client)
    assert refused.status_code == 429
    clock.advance(int(refused.headers["retry-after-ms"]) / 1000)
    assert (await ask(client)).status_code == 200


async def test_injected_429_charges_nothing(simulate: Simulate) -> None:
    client = simulate(quota={"rpm": 1})
    refused = await ask(client, headers={"x-sim-fault": "429"})
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-remaining-requests"] == "1"
    assert (await ledger_of(client))["fault_429"] == 1


async def test_injected_failure_is_charged(simulate: Simulate) -> None:
    client = simulate(quota={"rpm": 1})
    failed = await ask(client, headers={"x-sim-fault": "500"})
    assert failed.headers["x-ratelimit-remaining-requests"] == "0"
    assert (await ledger_of(client))["charged_tokens"] == 256


async def test_planned_fault_meets_the_next_request(simulate: Simulate) -> None:
    client = simulate()
    await client.post("/sim/faults", json={"kind": 503, "count": 1})
    assert [(await ask(client)).status_code for _ in range(2)] == [503, 200]


async def test_body_is_read_as_it_is_sent(simulate: Simulate) -> None:
    body = chat_body()
    body["messages"] = [
        {"role": "user", "content": [{"type": "text", "text": body["messages"][0]["content"]}]}
    ]
    response = await simulate().post("/v1/chat/completions", json=body)
    assert said(response).endswith(WARRANTY)
