"""The register of producers: which measurements this version's code can make.

A catalogue names its producers as ``app.what_it_measures``; a function that registers under that name
gathers the evidence. A criterion whose producer is null is shown as "not measured by this version" and does
not block.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    # The loader asks this register for names only; it must not pull in every app that is measured.
    from readiness.checklist.measurements import Measurement
    from readiness.checklist.subjects import Subject

Producer: TypeAlias = "Callable[[Subject], Measurement | None]"
"""Looks at what there is to measure, cheaply; None where there is nothing."""

_registry: dict[str, Producer] = {}


def produces(name: str) -> Callable[[Producer], Producer]:
    """Registers the decorated function as the producer ``name``. Raises ValueError when the name is taken."""

    def register(function: Producer) -> Producer:
        if name in _registry:
            raise ValueError(f"Two producers are called {name!r}.")
        _registry[name] = function
        return function

    return register


def registered() -> frozenset[str]:
    return frozenset(_registry)


def producer(name: str) -> Producer:
    """Raises KeyError for a name that no code answers to."""
    return _registry[name]
