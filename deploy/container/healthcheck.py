"""Exits 0 when this container's web process answers ``/health/``; standard library only."""

import http.client
import os
import sys
from collections.abc import Mapping

TIMEOUT_S = 4


def host_header(environment: Mapping[str, str]) -> str:
    """A host name that the site accepts: the first allowed one, a name under it when it is a wildcard."""
    first = environment.get("READINESS_ALLOWED_HOSTS", "").split(",")[0].strip()
    if first in ("", "*"):
        return "localhost"
    return f"health{first}" if first.startswith(".") else first


def is_healthy(port: int, host: str) -> bool:
    """Whether the health page answers 200 within the timeout."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/", headers={"Host": host})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_healthy(int(os.environ.get("PORT") or 8000), host_header(os.environ)) else 1)
