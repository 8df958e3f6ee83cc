"""Entry of a client process: sets Django up before anything that needs it is imported.

python -m benchmarks.limiter.start client SPEC.json
"""

import sys
from importlib import import_module
from pathlib import Path

import django

if __name__ == "__main__":
    django.setup()
    import_module(f"benchmarks.limiter.{sys.argv[1]}").main(Path(sys.argv[2]))
