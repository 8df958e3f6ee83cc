"""What the service saw and did, counted where it happened: what a client's own records are held against.

It closes: seen = invalid + quota_429 + fault_429 + outage + admitted, and
admitted = completed + failed + cut + abandoned + in_flight.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from readiness.simulator.clock import Clock
from readiness.simulator.corruption import Alteration
from readiness.simulator.quota import Charge
from readiness.simulator.timeline import Timeline

MAX_ROWS = 10_000

Refused = Literal["invalid", "quota_429", "fault_429", "outage"]
Lost = Literal["cut", "abandoned"]


@dataclass(slots=True)
class Totals:
    """Counts of one model since the last reset. All tokens are the service's own count."""

    seen: int = 0
    invalid: int = 0
    """Refused with 400 before any quota was looked at."""
    quota_429: int = 0
    fault_429: int = 0
    """Refused because a fault (429, billing, ramp) asked for it; nothing was charged."""
    outage: int = 0
    """Never answered because a fault asked for it; nothing was charged."""
    admitted: int = 0
    in_flight: int = 0
    completed: int = 0
    failed: int = 0
    """Admitted, charged and answered 500, 503 or 529."""
    cut: int = 0
    """Admitted, charged and broken off by the service."""
    abandoned: int = 0
    """Admitted, charged and left by the client before the end."""
    charged_tokens: int = 0
    """What counted in the limits on tokens (tpm, tpd)."""
    charged_input_tokens: int = 0
    """What counted in the limits on input (itpm)."""
    charged_output_tokens: int = 0
    """What counted in the limits on output (otpm)."""
    cached_input_tokens: int = 0
    """Admitted input that was read from the prompt cache."""
    admitted_input_tokens: int = 0
    completed_input_tokens: int = 0
    completed_output_tokens: int = 0
    """The two completed sums equal the usage that clients were told."""
    lost_output_tokens: int = 0
    """Sent in streams that were cut or abandoned: usage that nobody was told."""
    altered: int = 0
    """Completed answers with an invented number, name or negation."""
    turned_verdicts: int = 0
    """Completed verdicts that a judge's seeded error made the opposite of what it found."""


@dataclass(slots=True)
class Entry:
    """One request to a known model, from arrival to its end."""

    request_id: str
    model: str
    at: float
    """Unix time of arrival."""
    stream: bool
    totals: Totals
    clock: Clock
    timeline: Timeline
    release: Callable[[], None] | None = None
    outcome: str = "seen"
    status: int = 0
    fault: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    charged_tokens: int = 0
    seconds: float = 0.0
    """From arrival to the end, as the service saw it."""
    alteration: Alteration | None = None
    turned_verdict: bool = False

    def refuse(self, outcome: Refused, status: int, limit: str = "") -> None:
        """The request ended before admission; ``limit`` names what the quota was short of."""
        self._count(outcome)
        self.outcome, self.status = outcome, status
        if outcome == "quota_429":
            self.timeline.refuse(self.at, limit)

    def admit(
        self, input_tokens: int, charge: Charge, release: Callable[[], None], *, cached_tokens: int = 0
    ) -> None:
        """The quota took the request; ``release`` is called once, when it ends."""
        self.outcome, self.input_tokens, self.release = "in_flight", input_tokens, release
        self.totals.admitted += 1
        self.totals.in_flight += 1
        self.totals.admitted_input_tokens += input_tokens
        self.totals.cached_input_tokens += cached_tokens
        self._charge(charge, admitted=1)

    def produce(self, output_tokens: int) -> None:
        """Output counted in the quota as it was produced."""
        self._charge(Charge(tokens=output_tokens, output_tokens=output_tokens), admitted=0)

    def _charge(self, charge: Charge, *, admitted: int) -> None:
        self.charged_tokens += charge.tokens
        self.totals.charged_tokens += charge.tokens
        self.totals.charged_input_tokens += charge.input_tokens
        self.totals.charged_output_tokens += charge.output_tokens
        self.timeline.charge(self.clock.unix(), charge, admitted=admitted)

    def complete(self, output_tokens: int) -> None:
        """The whole answer is on its way."""
        self._end("completed", 200, output_tokens)
        self.totals.completed_input_tokens += self.input_tokens
        self.totals.completed_output_tokens += output_tokens
        self.totals.altered += self.alteration is not None
        self.totals.turned_verdicts += self.turned_verdict

    def fail(self, status: int) -> None:
        """The admitted request is answered with an error of the service."""
        self._end("failed", status, 0)

    def lose(self, outcome: Lost, output_tokens: int) -> None:
        """The answer was broken off after ``output_tokens``."""
        self._end(outcome, 200, output_tokens)
        self.totals.lost_output_tokens += output_tokens

    @property
    def is_open(self) -> bool:
        """True from admission to the end."""
        return self.outcome == "in_flight"

    def _end(self, outcome: str, status: int, output_tokens: int) -> None:
        self.totals.in_flight -= 1
        self._count(outcome)
        self.outcome, self.status, self.output_tokens = outcome, status, output_tokens
        self.seconds = round(self.clock.unix() - self.at, 6)
        if self.release is not None:
            self.release()

    def _count(self, outcome: str) -> None:
        setattr(self.totals, outcome, getattr(self.totals, outcome) + 1)

    def to_row(self) -> dict[str, Any]:
        """The entry for a reader."""
        row = {name: getattr(self, name) for name in _ROW_FIELDS}
        return row | {"alteration": asdict(self.alteration) if self.alteration else None}


_HIDDEN = {"totals", "clock", "timeline", "release"}
_ROW_FIELDS = [each.name for each in fields(Entry) if each.name not in _HIDDEN]


class Ledger:
    """Everything since it was opened. Totals are complete; rows are the last ``MAX_ROWS``."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.unix()
        self._models: defaultdict[str, Totals] = defaultdict(Totals)
        self._timelines: defaultdict[str, Timeline] = defaultdict(Timeline)
        self._unattributed: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._rows: deque[Entry] = deque(maxlen=MAX_ROWS)

    def open(self, *, request_id: str, model: str, stream: bool, fault: str) -> Entry:
        """Count a request that named a known model, and the fault (or "") that it will meet."""
        totals = self._models[model]
        totals.seen += 1
        if fault:
            self._faults[fault] += 1
        entry = Entry(
            request_id=request_id,
            model=model,
            at=self._clock.unix(),
            stream=stream,
            totals=totals,
            clock=self._clock,
            timeline=self._timelines[model],
            fault=fault,
        )
        self._rows.append(entry)
        return entry

    def reject(self, status: int) -> None:
        """Count a request that belongs to no model: no key, no such model, a body that cannot be read."""
        self._unattributed[str(status)] += 1

    def to_dict(self, models: Iterable[str], *, details: bool, timeline: bool = False) -> dict[str, Any]:
        """The ledger for a reader: every model named or seen.

        ``details`` adds the rows, newest last; ``timeline`` the seconds and refusals of every model.
        """
        totals = {model: Totals() for model in models} | self._models
        found: dict[str, Any] = {
            "simulated": True,
            "since": self._since,
            "unattributed": dict(self._unattributed),
            "faults": dict(self._faults),
            "models": {model: asdict(each) for model, each in totals.items()},
            "total": asdict(_sum(totals.values())),
        }
        if timeline:
            now = self._clock.unix()
            found["timelines"] = {model: self._timelines[model].to_dict(now) for model in totals}
        if details:
            found["requests"] = [entry.to_row() for entry in self._rows]
        return found


def _sum(totals: Iterable[Totals]) -> Totals:
    found = Totals()
    for each in totals:
        for name in _TOTAL_FIELDS:
            setattr(found, name, getattr(found, name) + getattr(each, name))
    return found


_TOTAL_FIELDS = [each.name for each in fields(Totals)]
