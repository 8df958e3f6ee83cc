"""What limits are called on pages, and how an upstream stands in sentences. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from readiness.lib.formats import format_compact, format_percent, format_seconds
from readiness.lib.scopes import Scope
from readiness.limits.queries import BucketState, UpstreamState

UNITS: Final[Mapping[str, str]] = {
    "rpm": "Requests per minute",
    "tpm": "Tokens per minute",
    "itpm": "Input tokens per minute",
    "otpm": "Output tokens per minute",
    "rpd": "Requests per day",
    "tpd": "Tokens per day",
}
LIMITS: Final[Mapping[str, str]] = {
    **{unit: words.lower() for unit, words in UNITS.items()},
    "concurrency": "calls in flight",
    "day": "day's budget",
    "month": "month's budget",
    "share": "largest share of the quota",
}
"""What a limit is called within a sentence, by the last word of its name in a refusal."""
_RETURNS: Final = {
    "continuous": "comes back steadily",
    "sliding": "each use comes back a {window} later",
    "fixed": "starts afresh each {window}",
}


def window_words(kind: str, unit: str) -> str:
    """How a limit comes back after it was used."""
    return _RETURNS[kind].format(window="day" if unit.endswith("d") else "minute")


def bucket_note(bucket: BucketState, share: float) -> str:
    """How the limit comes back, and why it is not the configured one."""
    notes = [window_words(bucket.kind, bucket.unit)]
    if bucket.told is not None and bucket.told < bucket.configured:
        notes.append(
            f"the provider says {format_compact(bucket.told)}, configured are "
            f"{format_compact(bucket.configured)}"
        )
    elif bucket.offered is not None and bucket.offered > bucket.configured:
        notes.append(f"the provider allows {format_compact(bucket.offered)}")
    if share < 1:
        notes.append(f"{format_percent(share, 0)} in use after a cut")
    return "; ".join(notes)


def state_sentences(state: UpstreamState) -> Iterator[str]:
    """What holds calls back or slows them down now, the gravest first; none for a free upstream."""
    if state.pause_s:
        yield (
            f"The provider answered 429. Calls go on in {format_seconds(state.pause_s)}; requests wait "
            "until then."
        )
    if state.open_s:
        yield (
            f"Its last calls failed one after the other. One call tries it again in "
            f"{format_seconds(state.open_s)}; requests wait until one succeeds."
        )
    if state.places is not None and (state.concurrency is None or state.places < state.concurrency):
        yield (
            f"The provider was overloaded, so at most {format_compact(state.places)} calls are in flight at "
            "a time; every second allows more."
        )
    if state.share < 1:
        yield (
            f"After a 429, {format_percent(state.share, 0)} of the quota is in use; more is tried little by "
            "little."
        )


def line_name(name: str, project_id: int, tiers: Mapping[str, str]) -> str:
    """Whose line it is. Of other projects no more is told than that it is one of theirs."""
    scope = Scope.parse(name)
    tier = tiers.get(scope.tier, "Unknown tier")
    if not scope.project_id:
        return tier
    if scope.project_id != project_id:
        return f"{tier}, another project"
    return f"{tier}, {scope.end_user}" if scope.end_user else f"{tier}, this project"
