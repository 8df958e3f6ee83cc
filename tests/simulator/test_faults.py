import pytest
from pydantic import ValidationError

from readiness.simulator.faults import MAX_PLANNED, Fault, FaultKind, FaultPlan, Faults, parse_fault_header
from readiness.simulator.wire import ApiError


def plan(**fields: object) -> FaultPlan:
    return FaultPlan.model_validate({"kind": 500, "count": 1} | fields)


def test_fault_meets_its_count_of_requests() -> None:
    faults = Faults()
    faults.add(plan(count=2), 0)
    assert [bool(faults.take("m", 0)) for _ in range(3)] == [True, True, False]


def test_fault_lasts_its_seconds() -> None:
    faults = Faults()
    faults.add(plan(count=None, seconds=5), 10)
    assert [bool(faults.take("m", now)) for now in (10, 14.9, 15)] == [True, True, False]


def test_fault_of_one_model_spares_the_others() -> None:
    faults = Faults()
    faults.add(plan(model="m"), 0)
    assert faults.take("other", 0) is None
    assert faults.take("m", 0) is not None


def test_faults_are_met_in_the_order_they_were_planned() -> None:
    faults = Faults()
    faults.add(plan(kind="slow"), 0)
    faults.add(plan(kind="cut"), 0)
    assert [fault.kind for _ in range(2) if (fault := faults.take("m", 0))] == ["slow", "cut"]


def test_faults_are_bounded() -> None:
    faults = Faults()
    for _ in range(MAX_PLANNED):
        faults.add(plan(), 0)
    with pytest.raises(ApiError, match="sim/reset"):
        faults.add(plan(), 0)


@pytest.mark.parametrize(
    "fields",
    [{"count": None}, {"seconds": 5}, {"kind": 418}, {"kind": True}, {"retry_after": -1}, {"speed": 1}],
)
def test_plan_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        plan(**fields)


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("500", Fault(kind=FaultKind.SERVER_ERROR)),
        ("429; retry_after=3", Fault(kind=FaultKind.RATE_LIMIT, retry_after=3)),
        ("outage", Fault(kind=FaultKind.OUTAGE)),
        ("slow;delay=0.5", Fault(kind=FaultKind.SLOW, delay=0.5)),
    ],
)
def test_header_asks_for_a_fault(header: str, fault: Fault) -> None:
    assert parse_fault_header(header) == fault


@pytest.mark.parametrize("header", ["fire", "429; retry_after", "500; kind=cut; x=1", ";"])
def test_header_that_makes_no_sense_is_refused(header: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_fault_header(header)
    assert caught.value.status == 400
