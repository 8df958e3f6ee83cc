from typing import get_args

from readiness.simulator.clock import Clock
from readiness.simulator.ledger import MAX_ROWS, Entry, Ledger, Lost, Refused
from readiness.simulator.quota import Charge
from tests.simulator.builders import ManualClock


def opened(ledger: Ledger, model: str = "m", fault: str = "") -> Entry:
    return ledger.open(request_id="r", model=model, stream=False, fault=fault)


def admitted(ledger: Ledger, model: str = "m") -> Entry:
    entry = opened(ledger, model)
    entry.admit(10, Charge(tokens=100), lambda: None)
    return entry


def one_of_each(ledger: Ledger) -> None:
    for refused in get_args(Refused):
        opened(ledger).refuse(refused, 429)
    for lost in get_args(Lost):
        admitted(ledger).lose(lost, 3)
    admitted(ledger).fail(500)
    admitted(ledger, "n").complete(7)
    admitted(ledger)


def test_ledger_closes() -> None:
    ledger = Ledger(Clock())
    one_of_each(ledger)
    total = ledger.to_dict([], details=False)["total"]
    assert total["seen"] == sum(total[name] for name in (*get_args(Refused), "admitted")) == 9
    ends = ("completed", "failed", "in_flight", *get_args(Lost))
    assert total["admitted"] == sum(total[name] for name in ends) == 5


def test_ledger_sums_tokens_by_what_became_of_them() -> None:
    ledger = Ledger(Clock())
    one_of_each(ledger)
    total = ledger.to_dict([], details=False)["total"]
    assert total["charged_tokens"] == 500
    assert total["admitted_input_tokens"] == 50
    assert (total["completed_input_tokens"], total["completed_output_tokens"]) == (10, 7)
    assert total["lost_output_tokens"] == 6


def test_ledger_total_is_the_sum_of_its_models() -> None:
    ledger = Ledger(Clock())
    one_of_each(ledger)
    found = ledger.to_dict(["unused"], details=False)
    assert set(found["models"]) == {"m", "n", "unused"}
    assert found["total"]["seen"] == sum(model["seen"] for model in found["models"].values())


def test_entry_frees_its_place_once_at_its_end() -> None:
    freed: list[bool] = []
    entry = opened(Ledger(Clock()))
    entry.admit(1, Charge(), lambda: freed.append(True))
    assert entry.is_open
    entry.complete(1)
    assert not entry.is_open
    assert freed == [True]


def test_entry_says_how_long_it_took() -> None:
    clock = ManualClock()
    ledger = Ledger(Clock(clock))
    entry = admitted(ledger)
    clock.advance(1.5)
    entry.complete(1)
    assert ledger.to_dict([], details=True)["requests"][0]["seconds"] == 1.5


def test_ledger_keeps_the_newest_rows_and_all_counts() -> None:
    ledger = Ledger(Clock())
    for _ in range(MAX_ROWS + 5):
        opened(ledger)
    found = ledger.to_dict([], details=True)
    assert len(found["requests"]) == MAX_ROWS
    assert found["models"]["m"]["seen"] == MAX_ROWS + 5


def test_ledger_counts_what_belongs_to_no_model_apart() -> None:
    ledger = Ledger(Clock())
    ledger.reject(401)
    opened(ledger, fault="slow")
    found = ledger.to_dict([], details=False)
    assert found["unattributed"] == {"401": 1}
    assert found["faults"] == {"slow": 1}
    assert found["total"]["seen"] == 1
