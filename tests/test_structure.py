"""The suite proves that settings, documents and commands still say the same as the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / ".env.example"
CONFIGURATION = ROOT / "docs" / "configuration.md"
READERS = {"env_str", "env_bool", "env_int", "env_list", "env_url", "env_zone"}
SET_BY_WHAT_STARTS_THEM = {"HOST"}
"""Documented, but not for a person's .env."""
READ_BY_SERVERS = {"FORWARDED_ALLOW_IPS", "WEB_CONCURRENCY"}
"""Variables that uvicorn reads itself."""


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def environment_calls(path: Path) -> Iterator[ast.Call]:
    """Calls of a typed reader, and of ``environ.get``."""
    for node in ast.walk(ast.parse(text(path))):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in READERS or called.endswith("environ.get"):
            yield node


def names_read(*folders: str) -> set[str]:
    """Variables that the code of these folders reads by name."""
    calls = [call for path in python_files(*folders) for call in environment_calls(path)]
    return {call.args[0].value for call in calls if isinstance(call.args[0], ast.Constant)}


def names_in_commands() -> set[str]:
    commands = text(ROOT / "Procfile") + text(ROOT / "docker-compose.yml")
    return set(re.findall(r"\$\{?([A-Z][A-Z_]+)", commands))


def names_in_example() -> set[str]:
    return set(re.findall(r"^(?:# )?([A-Z][A-Z_]*)=", text(EXAMPLE), flags=re.MULTILINE))


def names_in_document() -> set[str]:
    return set(re.findall(r"^\| `([A-Z][A-Z_]*)` \|", text(CONFIGURATION), flags=re.MULTILINE))


def all_names_read() -> set[str]:
    return names_read("readiness", "deploy") | names_in_commands() | READ_BY_SERVERS


def test_example_lists_exactly_the_variables_that_are_read() -> None:
    assert names_in_example() == all_names_read() - SET_BY_WHAT_STARTS_THEM


def test_document_explains_exactly_the_variables_that_are_read() -> None:
    for_tests = {name for name in names_read("tests") if name.startswith("READINESS_")}
    assert names_in_document() == all_names_read() | for_tests


def test_typed_readers_are_called_with_a_literal_name() -> None:
    computed = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in python_files("readiness", "deploy")
        if path != ROOT / "readiness" / "lib" / "env.py"
        for call in environment_calls(path)
        if not isinstance(call.args[0], ast.Constant)
    ]
    assert computed == []


def test_application_reads_the_environment_in_its_settings_only() -> None:
    """Everything else takes values from django.conf.settings, which have been checked at the start."""
    simulator = ROOT / "readiness" / "simulator"  # a process of its own, without Django
    settings = {ROOT / "readiness" / "settings.py", ROOT / "readiness" / "lib" / "env.py"}
    readers = {path for path in python_files("readiness") if any(environment_calls(path))}
    assert {path for path in readers if simulator not in path.parents} == settings


def test_make_targets_and_commands_in_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text(ROOT / "Makefile"), flags=re.MULTILINE))
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {target for path in documents for target in re.findall(r"`make ([a-z-]+)", text(path))}
    assert {"up", "test"} <= named <= targets
