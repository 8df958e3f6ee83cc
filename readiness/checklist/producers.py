"""The register of producers: which measurements this version's code can make.

A catalogue names its producers as ``app.what_it_measures``; a function that registers under that name
gathers the evidence. A criterion whose producer is null is shown as "not measured by this version" and does
not block.
"""

from collections.abc import Callable
from typing import TypeVar

Gather = TypeVar("Gather", bound=Callable[..., object])

_registry: dict[str, Callable[..., object]] = {}


def produces(name: str) -> Callable[[Gather], Gather]:
    """Registers the decorated function as the producer ``name``. Raises ValueError when the name is taken."""

    def register(function: Gather) -> Gather:
        if name in _registry:
            raise ValueError(f"Two producers are called {name!r}.")
        _registry[name] = function
        return function

    return register


def registered() -> frozenset[str]:
    return frozenset(_registry)
