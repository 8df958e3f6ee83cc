"""The files that package the product agree with each other; no container engine is needed to know that."""

import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import yaml
from django.conf import settings
from django_rq import get_queue
from honcho.environ import parse_procfile
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.container.healthcheck import host_header, is_healthy
from readiness.lib.env import parse_dotenv

ROOT = Path(__file__).resolve().parent.parent
LOCAL_ONLY = {"redis"}
"""The embedded Redis; docker-compose.yml runs a server's own image."""


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return yaml.safe_load(text("docker-compose.yml"))["services"]


def plain_command(command: str | list[str]) -> str:
    """What the process runs: without the shell around it, and with the file's ``$$`` as ``$``."""
    if isinstance(command, list):
        assert command[:2] == ["sh", "-c"]
        command = command[2]
    return command.replace("$$", "$").removeprefix("exec ")


def test_compose_file_follows_the_specification() -> None:
    checked = subprocess.run(
        [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            "docker-compose.yml",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_services_run_the_commands_of_the_procfile(services: dict[str, Any]) -> None:
    processes = parse_procfile(text("Procfile")).processes
    expected = {name: command for name, command in processes.items() if name not in LOCAL_ONLY}
    assert {name: plain_command(services[name]["command"]) for name in expected} == expected


def worker_commands() -> list[str]:
    processes = parse_procfile(text("Procfile")).processes
    return [command for name, command in processes.items() if name.startswith("worker-")]


def queues_of(command: str) -> list[str]:
    return re.findall(r"rqworker ((?:\w+ )+)", command)[0].split()


def test_every_queue_has_one_worker_that_serves_it() -> None:
    served = [queue for command in worker_commands() for queue in queues_of(command)]
    assert sorted(served) == sorted(settings.RQ_QUEUES)


@pytest.mark.parametrize("command", worker_commands())
def test_worker_command_runs_jobs_of_its_queues(command: str, redis_server: "redis.Redis[str]") -> None:
    jobs = [get_queue(queue).enqueue("readiness.lib.money.nanos", "1") for queue in queues_of(command)]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", f"{command} --burst"], cwd=ROOT, env=environment, check=True)
    assert [job.return_value() for job in jobs] == [1_000_000_000] * len(jobs)


def test_image_runs_the_web_process_by_default() -> None:
    (command,) = re.findall(r"^CMD (\[.*\])$", text("Dockerfile"), flags=re.MULTILINE)
    assert plain_command(yaml.safe_load(command)) == parse_procfile(text("Procfile")).processes["web"]


def test_every_service_comes_back_after_a_crash(services: dict[str, Any]) -> None:
    policies = {name: service.get("restart") for name, service in services.items()}
    assert {name for name, policy in policies.items() if policy != "unless-stopped"} == {"migrate", "seed"}
    assert policies["migrate"] == "on-failure"


def test_nothing_of_ours_starts_before_the_database_is_migrated(services: dict[str, Any]) -> None:
    waiting = {
        name
        for name, service in services.items()
        if "DATABASE_URL" in service.get("environment", {}) and name != "migrate"
    }
    assert waiting == {
        "web",
        "worker-benchmarks",
        "worker-checks",
        "worker-default",
        "scheduler",
        "recorder",
        "seed",
    }
    for name in waiting:
        needs = services[name]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["redis"]["condition"] == "service_healthy"
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_data_lives_in_volumes_and_redis_writes_every_change(services: dict[str, Any]) -> None:
    declared = yaml.safe_load(text("docker-compose.yml"))["volumes"]
    mounted = {name: services[name]["volumes"][0].split(":")[0] for name in ("postgres", "redis")}
    assert set(mounted.values()) == set(declared)
    command = services["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"


def test_replays_have_a_server_of_their_own(services: dict[str, Any]) -> None:
    environment = services["worker-benchmarks"]["environment"]
    hosts = {
        name: urlsplit(environment[name]).hostname for name in ("REDIS_URL", "READINESS_REPLAY_REDIS_URL")
    }
    assert set(hosts.values()) == {"redis", "replay"}
    assert "volumes" not in services["replay"]


def test_every_server_has_a_health_check(services: dict[str, Any]) -> None:
    """The web process has the image's; the processes without a port have none."""
    checked = {name for name, service in services.items() if "test" in service.get("healthcheck", {})}
    unchecked = {
        name for name, service in services.items() if service.get("healthcheck") == {"disable": True}
    }
    assert checked == {"postgres", "redis", "replay", "simulator"}
    assert set(services) - checked - unchecked == {"web"}
    assert "HEALTHCHECK" in text("Dockerfile")


def test_only_the_site_is_reachable_from_outside(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "ports" in service} == {"web"}


def test_simulator_and_demo_run_on_request_only_and_without_secrets(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "profiles" in service} == {"simulator", "seed"}
    assert "env_file" not in services["simulator"]


def test_compose_file_holds_no_secret(services: dict[str, Any]) -> None:
    written = [
        f"{service}: {name}"
        for service, description in services.items()
        for name, value in description.get("environment", {}).items()
        if re.search(r"PASSWORD|SECRET|KEY", name) and not value.startswith("${")
    ]
    assert written == []
    assert "postgres://readiness:${POSTGRES_PASSWORD" in text("docker-compose.yml")


def test_image_is_not_run_by_root_and_its_base_is_pinned() -> None:
    dockerfile = text("Dockerfile")
    final = dockerfile.split("\nFROM ")[-1]
    assert re.findall(r"^USER (\S+)$", final, flags=re.MULTILINE) == ["readiness"]
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.13-slim-\w+$", dockerfile, flags=re.MULTILINE)
    assert "--require-hashes" in dockerfile


def test_builder_is_sent_only_what_the_image_needs() -> None:
    rules = [line for line in text(".dockerignore").splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(\S+) \S+$", text("Dockerfile"), flags=re.MULTILINE)
    assert sent == set(copied)
    assert all((ROOT / path).exists() for path in sent)


# Requirements -------------------------------------------------------------------------------------------


def entries(name: str) -> list[str]:
    """Every package of a requirements file with its version, its condition and its hashes, one line each."""
    joined = re.sub(r"#.*", "", text(f"requirements/{name}.txt")).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip()]


def pins(name: str) -> set[str]:
    """Every package of a requirements file with its version and its condition."""
    return {entry.partition("--hash")[0].strip() for entry in entries(name)}


FILES = ["production", "local", "test"]


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_is_pinned_with_hashes(name: str) -> None:
    pinned = re.compile(r"[a-z0-9-]+==\S+ .*--hash=sha256:[0-9a-f]{64}")
    assert [entry for entry in entries(name) if not pinned.match(entry)] == []


@pytest.mark.parametrize("name", FILES)
def test_requirements_name_no_index(name: str) -> None:
    assert re.findall(r"index-url|find-links|trusted-host|https?://", text(f"requirements/{name}.txt")) == []


@pytest.mark.parametrize(("inner", "outer"), [("production", "local"), ("local", "test")])
def test_larger_requirement_files_repeat_the_pins_of_the_smaller(inner: str, outer: str) -> None:
    assert pins(inner) < pins(outer)


def test_pins_are_what_the_project_asks_for() -> None:
    """Fails when a dependency was added or raised without compiling the requirement files anew."""
    project = tomllib.loads(text("pyproject.toml"))["project"]
    asked = {
        "production": project["dependencies"],
        "local": project["optional-dependencies"]["local"],
        "test": [line for line in project["optional-dependencies"]["test"] if "readiness[" not in line],
    }
    for name, lines in asked.items():
        pinned = [Requirement(pin) for pin in pins(name)]
        for wanted in map(Requirement, lines):
            versions = [
                str(pin.specifier)[2:] for pin in pinned if pin.name == canonicalize_name(wanted.name)
            ]
            assert versions, f"{wanted.name} is not pinned in requirements/{name}.txt"
            assert all(wanted.specifier.contains(version) for version in versions), wanted


def test_example_environment_can_be_read() -> None:
    values = parse_dotenv(text(".env.example"))
    assert set(values) == {"READINESS_SECRET_KEY", "READINESS_ENCRYPTION_KEYS"}
    assert set(values.values()) == {""}


# Health check of the image ------------------------------------------------------------------------------


class HealthPage(BaseHTTPRequestHandler):
    """Answers 200 for the one host name that it knows."""

    def do_GET(self) -> None:
        known = self.path == "/health/" and self.headers["Host"] == "site.example"
        self.send_response(200 if known else 400)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def health_port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), HealthPage) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_health_check_passes_when_the_site_answers(health_port: int) -> None:
    assert is_healthy(health_port, "site.example")


def test_health_check_fails_when_the_site_refuses(health_port: int) -> None:
    assert not is_healthy(health_port, "unknown.example")


def test_health_check_fails_when_nothing_listens() -> None:
    with HTTPServer(("127.0.0.1", 0), HealthPage, bind_and_activate=False) as server:
        server.server_bind()
        assert not is_healthy(server.server_port, "site.example")


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        ("site.example, other.example", "site.example"),
        (".site.example", "health.site.example"),
        ("*", "localhost"),
        ("", "localhost"),
    ],
)
def test_health_check_uses_a_host_that_the_site_accepts(allowed: str, host: str) -> None:
    assert host_header({"READINESS_ALLOWED_HOSTS": allowed}) == host
