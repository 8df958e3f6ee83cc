"""``python -m readiness.simulator``: the service on 127.0.0.1, port SIMULATOR_PORT (8790)."""

import os
import sys

import uvicorn


def main() -> None:
    """Serve until interrupted."""
    port = os.environ.get("SIMULATOR_PORT", "").strip() or "8790"
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        sys.exit("SIMULATOR_PORT must be a port number between 1 and 65535.")
    uvicorn.run("readiness.simulator.app:app", host="127.0.0.1", port=int(port), access_log=False)


if __name__ == "__main__":
    main()
