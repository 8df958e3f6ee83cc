"""Every drill there is, in the order in which pages list them."""

from typing import Final

from readiness.operations.drills.base import Drill
from readiness.operations.drills.crashes import RedisFreeze, WorkerKill
from readiness.operations.drills.faults import Billing, Halved, Outage, Overloaded, RetryAfter, Slow, Storm
from readiness.operations.drills.probes import Contention, OverCap, Overload

DRILLS: Final[dict[str, type[Drill]]] = {
    drill.name: drill
    for drill in (
        Overload,
        Contention,
        OverCap,
        Storm,
        RetryAfter,
        Halved,
        Overloaded,
        Billing,
        Slow,
        Outage,
        WorkerKill,
        RedisFreeze,
    )
}
