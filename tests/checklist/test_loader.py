"""The loader refuses a wrong catalogue and says where it is wrong."""

from datetime import date
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import yaml

from readiness.checklist.catalogue import CatalogueError
from readiness.checklist.catalogue.loader import FOLDER, load
from tests.checklist.builders import PRODUCERS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped catalogue that a test may break."""
    return copytree(FOLDER, tmp_path / "catalogue", ignore=lambda _, names: [n for n in names if "py" in n])


def edit(folder: Path, file: str, criterion_id: str, **fields: Any) -> None:
    """Sets fields of one criterion; None removes the field."""
    path = folder / file
    data = yaml.safe_load(path.read_text())
    row = next(row for row in data["criteria"] if row["id"] == criterion_id)
    row.update(fields)
    for name in [name for name, value in fields.items() if value is None]:
        del row[name]
    path.write_text(yaml.safe_dump(data))


def problems(folder: Path) -> list[str]:
    with pytest.raises(CatalogueError) as caught:
        load(folder, PRODUCERS)
    return [str(problem) for problem in caught.value.problems]


def test_loader_names_file_criterion_and_field_of_a_wrong_threshold(folder: Path) -> None:
    part = {"name": "unsupported", "label": "Unsupported", "type": "rate_at_most", "threshold": 5.0}
    edit(folder, "3-quality.yaml", "Q3", parts=[part])

    (problem,) = problems(folder)

    assert problem.startswith("3-quality.yaml: Q3: parts.unsupported.threshold: ")


def test_loader_names_a_missing_field(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", why=None)

    assert problems(folder) == ["3-quality.yaml: Q3: why: Field required"]


def test_loader_refuses_a_misspelt_field(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", bloker=True)

    assert problems(folder) == ["3-quality.yaml: Q3: bloker: Extra inputs are not permitted"]


def test_loader_refuses_an_unknown_type_of_rule(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", parts=[{"name": "odd", "label": "Odd", "type": "rate_about"}])

    (problem,) = problems(folder)

    assert problem.startswith("3-quality.yaml: Q3: parts.odd: ")
    assert "rate_about" in problem


def test_loader_refuses_a_rule_without_a_type(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", parts=[{"name": "odd", "label": "Odd"}])

    (problem,) = problems(folder)

    assert problem.startswith("3-quality.yaml: Q3: parts.odd: ")


def test_loader_reports_all_problems_of_all_files(folder: Path) -> None:
    edit(folder, "1-model.yaml", "M2", why=None)
    edit(folder, "3-quality.yaml", "Q3", why=None)

    assert problems(folder) == [
        "1-model.yaml: M2: why: Field required",
        "3-quality.yaml: Q3: why: Field required",
    ]


def test_loader_refuses_a_producer_that_no_code_registers(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q8", producer="reviews.decision")

    assert problems(folder) == [
        "3-quality.yaml: Q8: producer: this version has no producer 'reviews.decision'"
    ]


def test_loader_refuses_a_part_with_an_unknown_producer(folder: Path) -> None:
    part = {"name": "x", "label": "Part", "type": "fact", "producer": "quality.guesses"}
    edit(folder, "3-quality.yaml", "Q3", parts=[part])

    assert problems(folder) == [
        "3-quality.yaml: Q3: producer: this version has no producer 'quality.guesses'"
    ]


def test_loader_refuses_a_criterion_of_another_step(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q6", id="M9")

    assert problems(folder) == ["3-quality.yaml: ids of this step begin with Q, not so: M9"]


def test_loader_refuses_an_id_that_is_given_twice(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q6", id="Q2", blocker=True, enable_on=date(2027, 3, 1))

    assert problems(folder) == ["catalogue.yaml: Q2: is given twice"]


def test_loader_refuses_a_starter_that_is_in_no_step(folder: Path) -> None:
    edit(folder, "2-prompts.yaml", "P2", id="P9", enable_on=date(2027, 3, 1))

    assert problems(folder) == ["catalogue.yaml: P2: starter: is not in any step"]


def test_loader_refuses_a_starter_that_does_not_block(folder: Path) -> None:
    edit(folder, "2-prompts.yaml", "P2", blocker=None)

    assert problems(folder) == ["2-prompts.yaml: P2: only a blocker can be on the starter track"]


def test_loader_refuses_a_later_blocker_without_its_day(folder: Path) -> None:
    edit(folder, "1-model.yaml", "M5", enable_on=None)

    assert problems(folder) == [
        "1-model.yaml: M5: a blocker outside the starter track, and only that, needs enable_on"
    ]


def test_loader_refuses_a_missing_step(folder: Path) -> None:
    (folder / "4-api.yaml").unlink()

    assert "catalogue.yaml: six steps numbered 1 to 6 are needed, found [1, 2, 3, 5, 6]" in problems(folder)


def test_loader_refuses_a_missing_header(folder: Path) -> None:
    (folder / "catalogue.yaml").unlink()

    assert problems(folder) == ["catalogue.yaml: cannot be read: No such file or directory"]


def test_loader_refuses_another_catalogue_version(folder: Path) -> None:
    path = folder / "catalogue.yaml"
    path.write_text(path.read_text().replace("readiness-catalogue/1", "readiness-catalogue/2"))

    (problem,) = problems(folder)

    assert problem.startswith("catalogue.yaml: id: ")


def test_loader_refuses_a_key_that_is_given_twice(folder: Path) -> None:
    path = folder / "4-api.yaml"
    path.write_text("number: 4\n" + path.read_text())

    (problem,) = problems(folder)

    assert problem.startswith("4-api.yaml: 'number' is given twice")


def test_loader_refuses_text_that_is_not_yaml(folder: Path) -> None:
    (folder / "4-api.yaml").write_text("number: [4")

    (problem,) = problems(folder)

    assert problem.startswith("4-api.yaml: while parsing")


@pytest.mark.parametrize("text", ["", "- 4", "number: 4\ncriteria: many"])
def test_loader_refuses_a_file_of_another_shape(folder: Path, text: str) -> None:
    (folder / "4-api.yaml").write_text(text)

    assert all(problem.startswith("4-api.yaml: ") for problem in problems(folder))


def test_loader_refuses_a_reference_that_the_standard_does_not_have(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", references=[{"standard": "owasp-llm-2026", "id": "LLM11"}])

    assert problems(folder) == ["3-quality.yaml: Q3: references.0: 'LLM11' is not an entry of owasp-llm-2026"]


def test_loader_refuses_a_button_without_words(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", fix={"text": "Measure it.", "action": "quality:spot_checks"})

    assert problems(folder) == ["3-quality.yaml: Q3: fix: a button needs both action and label"]


def test_loader_refuses_a_criterion_without_parts(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", parts=[])

    assert problems(folder) == ["3-quality.yaml: Q3: at least one part and one profile are needed"]


def test_loader_refuses_two_parts_of_one_name(folder: Path) -> None:
    part = {"name": "same", "label": "Same", "type": "fact"}
    edit(folder, "3-quality.yaml", "Q3", parts=[part, part])

    assert problems(folder) == ["3-quality.yaml: Q3: two parts have the same name"]


def test_loader_refuses_an_unknown_fingerprint_key(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", fingerprint=["M", "X"])

    (problem,) = problems(folder)

    assert problem.startswith("3-quality.yaml: Q3: fingerprint.1: ")


@pytest.mark.parametrize(
    "fields",
    [{}, {"threshold": 5, "half_width": 0.05, "at_rate": 0.8}, {"half_width": 0.05}],
)
def test_loader_refuses_a_sample_without_one_clear_size(folder: Path, fields: dict[str, float]) -> None:
    part = {"name": "size", "label": "Size", "type": "sample_at_least", **fields}
    edit(folder, "3-quality.yaml", "Q3", parts=[part])

    assert problems(folder) == [
        "3-quality.yaml: Q3: parts.size: give either a threshold, or half_width together with at_rate"
    ]


def test_loader_refuses_a_limit_that_nobody_sets(folder: Path) -> None:
    edit(folder, "3-quality.yaml", "Q3", parts=[{"name": "a", "label": "Age", "type": "value_at_most"}])

    assert problems(folder) == [
        "3-quality.yaml: Q3: parts.a: give a threshold, or the requirement of the project that sets it"
    ]


def test_loader_does_not_take_words_for_numbers(folder: Path) -> None:
    part = {"name": "unsupported", "label": "Unsupported", "type": "rate_at_most", "threshold": "0.05"}
    edit(folder, "3-quality.yaml", "Q3", parts=[part])

    (problem,) = problems(folder)

    assert problem.startswith("3-quality.yaml: Q3: parts.unsupported.threshold: ")


def test_part_that_says_null_is_not_measured_although_its_criterion_is(folder: Path) -> None:
    producers = {part.name: part.producer for part in load(folder, PRODUCERS).criterion("Q4").parts}

    assert producers["factuality"] == "quality.spot_checks"
    assert producers["toxicity"] is None
