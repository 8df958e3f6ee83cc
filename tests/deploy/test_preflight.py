import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from deploy.local import preflight
from deploy.local.preflight import StartError, prepare_folder, require_free_ports, write_environment
from readiness.lib.env import parse_dotenv


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_environment_file_holds_usable_secrets_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert write_environment(path) is True
    values = parse_dotenv(path.read_text(encoding="utf-8"))
    Fernet(values["READINESS_ENCRYPTION_KEYS"])
    assert len(values["READINESS_SECRET_KEY"]) >= 50
    assert len(values["READINESS_DEMO_PASSWORD"]) >= 10
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_environment_file_is_different_each_time(tmp_path: Path) -> None:
    write_environment(tmp_path / "a")
    write_environment(tmp_path / "b")
    first, second = (parse_dotenv((tmp_path / name).read_text(encoding="utf-8")) for name in "ab")
    secrets = ("READINESS_SECRET_KEY", "READINESS_ENCRYPTION_KEYS", "READINESS_DEMO_PASSWORD")
    assert [name for name in secrets if first[name] == second[name]] == []


def test_environment_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("READINESS_SECRET_KEY=mine\n", encoding="utf-8")
    assert write_environment(path) is False
    assert path.read_text(encoding="utf-8") == "READINESS_SECRET_KEY=mine\n"


def test_taken_port_is_named_with_a_way_to_choose_another(taken_port: int) -> None:
    with pytest.raises(StartError, match=rf"Port {taken_port} cannot be used .*make up SIMULATOR_PORT=\d+"):
        require_free_ports({"SIMULATOR_PORT": taken_port})


def test_free_ports_pass(taken_port: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    require_free_ports({"PORT": free})


def test_one_port_for_two_programs_is_refused() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with pytest.raises(StartError, match="PORT, SIMULATOR_PORT must be different"):
        require_free_ports({"PORT": free, "SIMULATOR_PORT": free})


def test_folder_can_be_used_by_one_start_at_a_time(tmp_path: Path) -> None:
    with (
        prepare_folder(tmp_path / "var"),
        pytest.raises(StartError, match="already runs from this folder"),
    ):
        prepare_folder(tmp_path / "var")


def test_folder_is_free_again_after_a_start_has_ended(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "var").close()
    prepare_folder(tmp_path / "var").close()


def test_folder_is_closed_to_other_accounts(tmp_path: Path) -> None:
    prepare_folder(tmp_path / "var").close()
    assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o700


def test_full_disk_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="The disk is too full"):
        prepare_folder(tmp_path / "var", free=lambda folder: preflight.NEEDED_BYTES - 1)
    assert not (tmp_path / "var").exists()
