#!/bin/sh
# Print the path of a Python that can run Readiness, or say in plain words what is missing.
# PYTHON, when set, is the only candidate. Each candidate is run, not looked up: a version manager's shim may
# stand on the PATH for a version that is not active.
set -eu

if [ -n "${PYTHON:-}" ]; then
    candidates=$PYTHON
else
    candidates="python3 python3.14 python3.13 python3.12 python3.11"
fi

found=""
for candidate in $candidates; do
    described=$("$candidate" -c 'import sys; print("%s is Python %d.%d" % ((sys.executable,) + sys.version_info[:2]))' 2>/dev/null) || continue
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        found="$found  $described, which is too old
"
    elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
        found="$found  $described, but it came without venv (on Debian and Ubuntu: apt install python3-venv)
"
    else
        "$candidate" -c 'import sys; print(sys.executable)'
        exit 0
    fi
done

{
    echo "Readiness needs Python 3.11 or newer with pip and venv. Looked for: $candidates"
    [ -z "$found" ] || printf 'Found:\n%s' "$found"
    echo "Install one from https://www.python.org/downloads/ or your system's packages,"
    echo "or name one: make up PYTHON=/path/to/python3.12"
} >&2
exit 1
