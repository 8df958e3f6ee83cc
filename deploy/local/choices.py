"""What this start runs, and on which ports: read from the environment and ``.env``."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from honcho.environ import parse_procfile

from deploy.local.preflight import HOST, StartError
from deploy.local.redis_server import DEFAULT_PORT as DEFAULT_REDIS_PORT
from deploy.local.supervisor import Program
from readiness.lib.env import env_bool, env_int, env_str

REDIS = "redis"
SIMULATOR = "simulator"
PORT_RANGE = {"minimum": 1, "maximum": 65_535}
PEOPLE = "alice (its admin), bob (member), rita (reviewer), auditor (viewer) or admin (the whole site)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The variables that `make up` understands."""

    port: int
    simulator_port: int
    redis_port: int
    embedded_redis: bool
    demo: bool
    demo_password: str

    @classmethod
    def read(cls) -> Self:
        """Raises ``ImproperlyConfigured`` or ``StartError`` for a value that cannot be used."""
        choices = cls(
            port=env_int("PORT", 8000, **PORT_RANGE),
            simulator_port=env_int("SIMULATOR_PORT", 8790, **PORT_RANGE),
            redis_port=env_int("READINESS_REDIS_PORT", DEFAULT_REDIS_PORT, **PORT_RANGE),
            embedded_redis=not env_str("REDIS_URL", ""),
            demo=env_bool("READINESS_DEMO", True),
            demo_password=env_str("READINESS_DEMO_PASSWORD", ""),
        )
        if choices.demo and not choices.demo_password:
            raise StartError(
                "READINESS_DEMO_PASSWORD is not set, so nobody could sign in to the demo. Add it to .env, "
                "or leave the demo out: make up DEMO=0"
            )
        return choices

    @property
    def url(self) -> str:
        """Where a browser finds the site."""
        return f"http://{HOST}:{self.port}/"

    @property
    def ports(self) -> dict[str, int]:
        """Every port that this start takes, under the variable that sets it."""
        ports = {"PORT": self.port}
        if self.demo:
            ports["SIMULATOR_PORT"] = self.simulator_port
        if self.embedded_redis:
            ports["READINESS_REDIS_PORT"] = self.redis_port
        return ports

    def programs(self, procfile: Path) -> list[Program]:
        """The processes of the Procfile that this start needs, in its order."""
        unneeded = set()
        if not self.embedded_redis:
            unneeded.add(REDIS)
        if not self.demo:
            unneeded.add(SIMULATOR)
        processes = parse_procfile(procfile.read_text(encoding="utf-8")).processes
        return [Program(name, command) for name, command in processes.items() if name not in unneeded]

    def environment(self) -> dict[str, str]:
        """The environment of every process: this one's, with the values that the Procfile's commands use."""
        simulator_url = env_str("READINESS_SIMULATOR_URL", f"http://{HOST}:{self.simulator_port}/v1")
        return os.environ | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "readiness.settings",
            "HOST": HOST,
            "PORT": str(self.port),
            "SIMULATOR_PORT": str(self.simulator_port),
            "READINESS_SIMULATOR_URL": simulator_url,
        }

    def welcome(self) -> str:
        """What a person needs to know once the site answers."""
        if self.demo:
            sign_in = f"Sign in to the demo as {PEOPLE}.\nPassword: {self.demo_password}"
        else:
            sign_in = "Make your account with: .venv/bin/python manage.py createsuperuser"
        return f"Readiness runs at {self.url}\n{sign_in}\nCtrl-C stops everything; your data stays in var/."
