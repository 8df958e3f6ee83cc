"""What was admitted in each second, and when what was refused: how well a client used its quota."""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

from readiness.simulator.quota import Charge

KEPT_SECONDS = 900
MAX_REFUSALS = 1_000


@dataclass(slots=True)
class Second:
    """One second of Unix time. Output that counts as it is produced is charged to its own second."""

    at: int
    admitted: int = 0
    charged_tokens: int = 0
    charged_input_tokens: int = 0
    charged_output_tokens: int = 0


class Timeline:
    """The last fifteen minutes of one model, second by second, and its latest refusals."""

    def __init__(self) -> None:
        self._seconds: deque[Second] = deque(maxlen=KEPT_SECONDS)
        self._refusals: deque[tuple[float, str]] = deque(maxlen=MAX_REFUSALS)

    def charge(self, unix: float, charge: Charge, *, admitted: int) -> None:
        """Count what was charged at this Unix time, and how many requests were admitted with it."""
        if not self._seconds or self._seconds[-1].at < int(unix):
            self._seconds.append(Second(int(unix)))
        second = self._seconds[-1]
        second.admitted += admitted
        second.charged_tokens += charge.tokens
        second.charged_input_tokens += charge.input_tokens
        second.charged_output_tokens += charge.output_tokens

    def refuse(self, unix: float, limit: str) -> None:
        """Note a 429 of the quota, by the limit that was short."""
        self._refusals.append((unix, limit))

    def to_dict(self, unix: float) -> dict[str, Any]:
        """The timeline for a reader; seconds without a charge are left out."""
        oldest = int(unix) - KEPT_SECONDS
        return {
            "seconds": [asdict(second) for second in self._seconds if second.at > oldest],
            "quota_429": [{"at": round(at, 6), "limit": limit} for at, limit in self._refusals],
        }
