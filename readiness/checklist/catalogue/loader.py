"""Reads the catalogue's YAML files strictly; of every problem it says which file, criterion and field."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from readiness.checklist import producers
from readiness.checklist.catalogue.base import Frozen
from readiness.checklist.catalogue.schema import Criterion, Header, Step

FOLDER = Path(__file__).parent
HEADER_FILE = "catalogue.yaml"

Model = TypeVar("Model", bound=Frozen)


@dataclass(frozen=True)
class Problem:
    """One thing wrong in one file."""

    file: str
    message: str
    criterion: str = ""
    field: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.criterion, self.field, self.message) if part)


class CatalogueError(Exception):
    """The catalogue cannot be used; ``problems`` lists everything that was found, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "The catalogue has errors:\n" + "\n".join(f"  {problem}" for problem in self.problems)
        )


class Catalogue(Frozen):
    """All steps and criteria of one catalogue version."""

    header: Header
    steps: tuple[Step, ...]

    @cached_property
    def criteria(self) -> tuple[Criterion, ...]:
        """In the order of the steps."""
        return tuple(criterion for step in self.steps for criterion in step.criteria)

    @cached_property
    def _by_id(self) -> dict[str, Criterion]:
        return {criterion.id: criterion for criterion in self.criteria}

    def criterion(self, criterion_id: str) -> Criterion:
        """Raises LookupError when there is no such criterion."""
        if criterion_id not in self._by_id:
            raise LookupError(f"The catalogue has no criterion {criterion_id!r}.")
        return self._by_id[criterion_id]

    def step(self, slug: str) -> Step:
        """Raises LookupError when there is no such step."""
        for step in self.steps:
            if step.slug == slug:
                return step
        raise LookupError(f"The catalogue has no step {slug!r}.")

    @property
    def starter(self) -> tuple[Criterion, ...]:
        return tuple(criterion for criterion in self.criteria if criterion.starter)


@lru_cache(maxsize=1)
def current() -> Catalogue:
    """The shipped catalogue against the producers that this version's code has registered; read once."""
    return load(FOLDER, producers.registered())


def load(folder: Path, known_producers: Collection[str]) -> Catalogue:
    """Reads ``catalogue.yaml`` and the step files beside it.

    ``known_producers`` are the names that code answers to. A criterion that names another one is refused, so
    that a misspelt producer can never turn a blocker into one that is "not measured by this version".
    Raises CatalogueError.
    """
    header_data = _read(folder / HEADER_FILE)
    header = _validate(Header, header_data, HEADER_FILE)
    problems: list[Problem] = []
    steps: list[Step] = []
    for path in sorted(folder.glob("[0-9]-*.yaml")):
        try:
            step = _validate(Step, _with_starter(_read(path), header.starter), path.name)
        except CatalogueError as error:
            problems += error.problems
        else:
            problems += _unknown_producers(step, path.name, known_producers)
            steps.append(step)
    problems = problems or _across_files(header, steps)
    if problems:
        raise CatalogueError(problems)
    return Catalogue(header=header, steps=tuple(steps))


class _StrictLoader(yaml.SafeLoader):
    """YAML allows a key twice and keeps the last one; here that is an error."""


def _mapping_without_repeats(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in mapping:
            raise yaml.constructor.ConstructorError(
                None, None, f"{key!r} is given twice", key_node.start_mark
            )
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_repeats)


def _read(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CatalogueError([Problem(path.name, f"cannot be read: {error.strerror}")]) from error
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader subclass
    except yaml.YAMLError as error:
        raise CatalogueError([Problem(path.name, " ".join(str(error).split()))]) from error


def _validate(model: type[Model], data: Any, file: str) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise CatalogueError(
            Problem(file, row["msg"].removeprefix("Value error, "), *_place(row["loc"], data))
            for row in error.errors(include_url=False)
        ) from error


def _place(loc: tuple[int | str, ...], data: Any) -> tuple[str, str]:
    """Pydantic's path as (criterion id, field), with list positions replaced by the names people gave."""
    criterion = ""
    field: list[str] = []
    for key in loc:
        if isinstance(data, dict) and data.get("type") == key:
            continue  # pydantic names the kind of rule here, which is not a level of the file
        following = data[key] if _has(data, key) else None
        if isinstance(key, int) and isinstance(following, dict) and "id" in following and not criterion:
            criterion, field = str(following["id"]), []
        elif isinstance(key, int) and isinstance(following, dict):
            field.append(str(following.get("name", key)))
        else:
            field.append(str(key))
        data = following
    return criterion, ".".join(field)


def _has(data: Any, key: int | str) -> bool:
    if isinstance(data, list):
        return isinstance(key, int) and key < len(data)
    return isinstance(data, dict) and key in data


def _with_starter(data: Any, starter: Collection[str]) -> Any:
    """The track is written once, in the header; each criterion is told whether it is on it."""
    if not isinstance(data, dict) or not isinstance(data.get("criteria"), list):
        return data
    rows = [
        {**row, "starter": row.get("id") in starter} if isinstance(row, dict) else row
        for row in data["criteria"]
    ]
    return {**data, "criteria": rows}


def _unknown_producers(step: Step, file: str, known: Collection[str]) -> list[Problem]:
    return [
        Problem(file, f"this version has no producer {name!r}", criterion.id, "producer")
        for criterion in step.criteria
        for name in sorted(criterion.producers - set(known))
    ]


def _across_files(header: Header, steps: list[Step]) -> list[Problem]:
    problems = []
    numbers = [step.number for step in steps]
    if numbers != list(range(1, 7)):
        problems.append(Problem(HEADER_FILE, f"six steps numbered 1 to 6 are needed, found {numbers}"))
    ids = [criterion.id for step in steps for criterion in step.criteria]
    problems += [
        Problem(HEADER_FILE, "is given twice", name) for name in sorted({i for i in ids if ids.count(i) > 1})
    ]
    problems += [
        Problem(HEADER_FILE, "is not in any step", name, "starter")
        for name in header.starter
        if name not in ids
    ]
    return problems
