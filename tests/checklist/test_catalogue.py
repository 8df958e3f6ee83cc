"""The shipped catalogue is whole."""

import re
from datetime import date

import pytest

from readiness.checklist.catalogue import Catalogue
from readiness.checklist.catalogue.loader import FOLDER, load
from readiness.checklist.catalogue.parts import OwnLimit, RateRule, SampleRule
from readiness.checklist.catalogue.schema import CATEGORIES
from readiness.projects.models import Category
from tests.checklist.builders import PRODUCERS

STARTER = "M1 M3 M4 P1 P2 Q1 Q3 Q8 A1 A2 A4 I2 R2 R3 R7"
BLOCKERS = f"{STARTER} M5 M7 P7 P8 Q2 Q4 Q5 Q7 A3 A5 A6 I1 I3 I4 I5 I6 I8 R1 R4 R5 R6"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(FOLDER, PRODUCERS)


def test_catalogue_has_eight_criteria_in_each_of_six_steps(catalogue: Catalogue) -> None:
    ids = [[criterion.id for criterion in step.criteria] for step in catalogue.steps]

    assert ids == [[f"{letter}{number}" for number in range(1, 9)] for letter in "MPQAIR"]


def test_steps_carry_the_titles_of_the_roadmap(catalogue: Catalogue) -> None:
    assert [step.title for step in catalogue.steps] == [
        "Choose the right model",
        "Manage prompts",
        "Monitor quality, bound hallucinations",
        "Wrap as a production API",
        "Scale the infrastructure",
        "Limit, queue, prioritise, cache",
    ]


def test_starter_track_is_the_fifteen_first_blockers(catalogue: Catalogue) -> None:
    assert {criterion.id for criterion in catalogue.starter} == set(STARTER.split())
    assert len(catalogue.starter) == 15


def test_blockers_are_those_of_the_design(catalogue: Catalogue) -> None:
    assert {criterion.id for criterion in catalogue.criteria if criterion.blocker} == set(BLOCKERS.split())


def test_later_blockers_are_announced_after_the_catalogue_is_published(catalogue: Catalogue) -> None:
    days = [criterion.enable_on for criterion in catalogue.criteria if criterion.enable_on]

    assert len(days) == 36 - 15
    assert min(days) > catalogue.header.date


def test_only_twelve_criteria_are_measured_by_this_version(catalogue: Catalogue) -> None:
    measured = [criterion.id for criterion in catalogue.criteria if criterion.measured]

    assert measured == ["M1", "M3", "M5", "M6", "Q4", "Q8", "I6", "R2", "R3", "R4", "R6", "R7"]


def test_attested_criteria_are_the_three_that_only_a_person_can_know(catalogue: Catalogue) -> None:
    assert [c.id for c in catalogue.criteria if c.kind == "attested"] == ["M1", "M8", "I8"]


def test_human_criteria_are_those_that_count_decisions(catalogue: Catalogue) -> None:
    assert [c.id for c in catalogue.criteria if c.kind == "human"] == ["P7", "Q2", "Q8"]


@pytest.mark.parametrize(
    ("criterion_id", "keys", "days"),
    [
        ("M1", "", 180),
        ("M3", "MPD", None),
        ("M5", "MP", 30),
        ("M6", "MP$", None),
        ("Q1", "MPRDV", None),
        ("Q4", "MP", 7),
        ("Q8", "MPV", None),
        ("I7", "$F", 30),
        ("R2", "LM", 7),
        ("R5", "CMP", None),
        ("R6", "L", 30),
    ],
)
def test_criterion_goes_stale_by_its_own_keys_and_age(
    catalogue: Catalogue, criterion_id: str, keys: str, days: int | None
) -> None:
    criterion = catalogue.criterion(criterion_id)

    assert "".join(criterion.fingerprint) == keys
    assert criterion.max_age_days == days


def test_catalogue_names_the_categories_of_projects() -> None:
    assert set(CATEGORIES) == set(Category.values)


def test_decision_products_have_no_templates_parameters_or_cache(catalogue: Catalogue) -> None:
    excluded = [c.id for c in catalogue.criteria if "decision" not in c.profiles]

    assert excluded == ["P3", "P5", "R5"]


def test_sample_of_a_benchmark_is_computed_from_its_precision(catalogue: Catalogue) -> None:
    examples = next(part for part in catalogue.criterion("M3").parts if part.name == "examples")

    assert isinstance(examples, SampleRule)
    assert examples.needed == 245


def test_rates_are_judged_one_sided_at_97_5_percent(catalogue: Catalogue) -> None:
    levels = {part.level for c in catalogue.criteria for part in c.parts if isinstance(part, RateRule)}

    assert levels == {0.975}


def test_cost_has_no_limit_but_the_projects_own(catalogue: Catalogue) -> None:
    mean_cost = catalogue.criterion("M6").parts[0]

    assert isinstance(mean_cost, OwnLimit)
    assert (mean_cost.threshold, mean_cost.requirement) == (None, "cost_per_request")


@pytest.mark.parametrize(
    ("criterion_id", "entry"),
    [("M8", "LLM04"), ("P8", "LLM01"), ("P8", "LLM08"), ("Q3", "LLM07"), ("A3", "LLM10"), ("R7", "LLM06")],
)
def test_security_criteria_cite_the_owasp_entry_of_2026(
    catalogue: Catalogue, criterion_id: str, entry: str
) -> None:
    labels = [reference.label for reference in catalogue.criterion(criterion_id).references]

    assert f"OWASP Top 10 for LLM Applications 2026, {entry}" in labels


def test_short_names_read_on_inside_a_sentence(catalogue: Catalogue) -> None:
    proper_names = ("API", "AI ")
    capitalised = [
        c.short for c in catalogue.criteria if c.short[0].isupper() and not c.short.startswith(proper_names)
    ]

    assert capitalised == []
    assert len({c.short for c in catalogue.criteria}) == 48


def test_fixes_begin_with_a_capital_and_end_with_a_full_stop(catalogue: Catalogue) -> None:
    texts = [text for c in catalogue.criteria for text in (c.why, c.fix.text)]

    assert [text for text in texts if not re.fullmatch(r"[A-Z].*\.", text, re.DOTALL)] == []


def test_measured_criteria_offer_a_page_that_turns_them(catalogue: Catalogue) -> None:
    assert [c.id for c in catalogue.criteria if c.measured and c.fix.action is None] == []


def test_criterion_is_found_by_its_id(catalogue: Catalogue) -> None:
    assert catalogue.criterion("Q3").title == "Hallucination rate is bounded"


def test_step_is_found_by_its_slug(catalogue: Catalogue) -> None:
    assert catalogue.step("quality").number == 3


def test_unknown_criterion_is_a_lookup_error(catalogue: Catalogue) -> None:
    with pytest.raises(LookupError, match="no criterion 'Z9'"):
        catalogue.criterion("Z9")


def test_unknown_step_is_a_lookup_error(catalogue: Catalogue) -> None:
    with pytest.raises(LookupError, match="no step 'seven'"):
        catalogue.step("seven")


def test_starter_blocks_from_the_first_day(catalogue: Catalogue) -> None:
    assert catalogue.criterion("M1").blocks_on(date(2020, 1, 1))


def test_later_blocker_blocks_from_its_day_on(catalogue: Catalogue) -> None:
    m5 = catalogue.criterion("M5")

    assert m5.enable_on == date(2027, 3, 1)
    assert not m5.blocks_on(date(2027, 2, 28))
    assert m5.blocks_on(date(2027, 3, 1))


def test_criterion_that_is_no_blocker_never_blocks(catalogue: Catalogue) -> None:
    assert not catalogue.criterion("M6").blocks_on(date(2100, 1, 1))
