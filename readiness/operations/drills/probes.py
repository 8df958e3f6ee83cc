"""Drills that measure what criteria ask for: a bounded queue, priority, and hard caps on money."""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import cycle
from typing import Any, Final

from asgiref.sync import sync_to_async

from readiness.lib.money import nanos
from readiness.limits.services import publish_policy
from readiness.operations.drills.base import ANSWER, NO_LIMITS, Drill, DrillRefusedError
from readiness.operations.drills.faults import expect_nothing_lost
from readiness.operations.drills.load import End, Ending, Load, p95
from readiness.operations.drills.stage import Stage
from readiness.projects.models import LEAST_USD, Allowance, AllowanceKind, Tier

_TOKENS: Final = 100
"""Of a call."""
_TENANTS: Final = 3


class Overload(Drill):
    name = "overload"
    title = "Three times the load"
    about = (
        "All tiers together ask for three times the quota: nothing crashes, waits keep their limit, and what "
        "does not fit is refused before it queues."
    )
    seconds = 90
    quota = {"tpm": 60_000}

    async def run(self, stage: Stage) -> None:
        tiers = await stage.tiers()
        if not tiers:
            raise DrillRefusedError("This drill is about tiers, and the site has none. Add one first.")
        longest_s = stage.pick(20.0, 2.0)
        waits = {tier.slug: min(longest_s, tier.longest_wait_seconds) for tier in tiers}
        if any(tier.longest_wait_seconds > longest_s for tier in tiers):
            stage.note(
                f"Longest waits above {longest_s:g} s are shortened to that, to be seen within the drill."
            )
        quota_per_second = self.quota["tpm"] / 60 / _TOKENS
        calls = cycle(
            [
                partial(
                    stage.call,
                    tier=tier.slug,
                    tenant=f"{tier.slug}-{tenant}",
                    max_tokens=_TOKENS,
                    longest_wait_s=waits[tier.slug],
                )
                for tenant in range(_TENANTS)
                for tier in tiers
            ]
        )
        async with stage.load() as load:
            await stage.drain(load)
            stage.note(
                f"All tiers together ask for {3 * quota_per_second:g} calls a second, three times the quota."
            )
            offer = partial(load.steady, lambda: next(calls)(), per_second=3 * quota_per_second)
            await offer(seconds=stage.pick(20.0, 1.0))
            known = asyncio.get_running_loop().time()
            stage.note("What each tier asks for is known: waits and refusals count from now on.")
            await offer(seconds=stage.pick(40.0, 4.0))
            stage.note("No more calls are made.")
            await load.finish(patience_s=stage.pick(25.0, 5.0))
        await self._judge(stage, load, tiers, known)

    async def _judge(self, stage: Stage, load: Load, tiers: Sequence[Tier], known: float) -> None:
        """Of the calls before ``known`` some wait in vain: nobody can tell yet how many more will come."""
        ledger = await stage.model.ledger()
        expect_nothing_lost(stage, load)
        stage.find("refusals", "429s from the provider", ledger["quota_429"], at_most=0)
        calls = [end for end in load.ends if end.started >= known]
        waits = {tier.slug: _waits(calls, tier.slug) for tier in tiers}
        for tier in tiers:
            stage.find(f"wait_{tier.slug}", f"p95 wait of {tier.name}", p95(waits[tier.slug]), "s")
        slug = max(waits, key=lambda slug: p95(waits[slug]))
        limit = next(end.call.longest_wait_s for end in load.ends if end.call.tier == slug) or 1.0
        label = "p95 wait of the tier that waits longest, as a share of its longest wait"
        # To the nearest hundredth: who waits in vain is told so a moment after the longest wait is over.
        stage.find("wait", label, round(p95(waits[slug]) / limit, 2), "%", at_most=1.0)
        overflow = [end for end in calls if end.ending is Ending.REFUSED]
        polite = [end for end in overflow if end.reason != "timed_out" and end.retry_after_s > 0]
        stage.find("overflowing", "Calls that did not fit", len(overflow), "calls", at_least=1)
        share = len(polite) / len(overflow) if overflow else 0.0
        label = "Calls that did not fit: refused before they queued, and told when to come back"
        # A prediction cannot know who will still come: a few may be overtaken by heavier tiers' calls.
        stage.find("overflow", label, share, "%", at_least=0.95)


class Contention(Drill):
    name = "contention"
    title = "Top against bottom tier"
    about = (
        "The heaviest and the lightest tier both ask for more than there is: "
        "who waits, and who gets how much."
    )
    seconds = 70

    quota = {"tpm": 60_000}

    async def run(self, stage: Stage) -> None:
        tiers = await stage.tiers()
        if len(tiers) < 2:
            raise DrillRefusedError("This drill needs two tiers, and the site has fewer. Add one first.")
        top, bottom = tiers[0], tiers[-1]
        lasts_s, callers = stage.pick(60.0, 5.0), stage.pick(8, 4)
        async with stage.load() as load:
            await stage.drain(load)
            began = stage.now()
            stage.note(f"{callers} callers each of {top.name} and {bottom.name} call as fast as they can.")
            await asyncio.gather(
                *(
                    _call_again(stage, load, tier, number, until=began + lasts_s)
                    for tier in (top, bottom)
                    for number in range(callers)
                )
            )
        await self._judge(stage, load, top, bottom, ends_at=stage.began + began + lasts_s)

    async def _judge(self, stage: Stage, load: Load, top: Tier, bottom: Tier, *, ends_at: float) -> None:
        """``ends_at``: until when calls were made, by the event loop's clock."""
        expect_nothing_lost(stage, load)
        ledger = await stage.model.ledger()
        stage.find("refusals", "429s from the provider", ledger["quota_429"], at_most=0)
        first, last = (p95(_waits(load.ends, tier.slug)) for tier in (top, bottom))
        stage.find("wait_top", f"p95 wait of {top.name}", first, "s")
        stage.find("wait_bottom", f"p95 wait of {bottom.name}", last, "s")
        label = f"p95 wait of {top.name} as a share of that of {bottom.name}"
        stage.find("wait_ratio", label, first / last if last else 1.0, "%", at_most=0.5)
        # Who is turned away does not wait, and nobody is served sooner for it.
        made = sum(end.call.tier == top.slug for end in load.ends)
        answered = sum(end.call.tier == top.slug for end in load.answered)
        label = f"Calls of {top.name} that were answered"
        stage.find("answered_top", label, answered / max(1, made), "%", at_least=0.5)
        # Calls that were still waiting when the time was over are no sample of what the tiers share.
        sent = [end for end in load.answered if end.sent <= ends_at]
        served = sum(end.call.tier == bottom.slug for end in sent) / max(1, len(sent))
        stage.find("bottom_share", f"Share of {bottom.name}", served, "%", at_least=0.05)


async def _call_again(stage: Stage, load: Load, tier: Tier, number: int, *, until: float) -> None:
    while stage.now() < until:
        end = await load.make(stage.call(tier=tier.slug, tenant=f"{tier.slug}-{number}", max_tokens=_TOKENS))
        if end.ending is not Ending.ANSWERED:
            await asyncio.sleep(min(1.0, end.retry_after_s))


def _waits(ends: Iterable[End], tier: str) -> list[float]:
    """Seconds in the queue of the tier's calls that queued at all, served or not, or that were lost in it."""
    return [
        end.queue_s if end.ending is Ending.ANSWERED else end.seconds
        for end in ends
        if end.call.tier == tier
        and (end.ending in (Ending.ANSWERED, Ending.LOST) or end.reason == "timed_out")
    ]


class OverCap(Drill):
    name = "over-cap"
    title = "Over a budget"
    about = (
        "Calls go on after the budget of a key, a user, a project and the site is spent: each one is refused."
    )
    seconds = 10
    quota = {"rpm": 100_000}

    _MAX_TOKENS: Final = 2_000
    _BURST, _AFTERWARDS = 12, 6

    def profile(self) -> dict[str, Any]:
        """Answers as long as they may be: what was reserved is really spent."""
        speed = {"median": 100_000, "sigma": 0}
        quota = {**NO_LIMITS, **self.quota}
        return {**ANSWER, "quota": quota, "fixed_answer": "word " * 2_000, "tokens_per_second": speed}

    async def run(self, stage: Stage) -> None:
        over = refused = fitting = answered = 0
        shares: dict[str, float] = {}
        async with stage.load() as load:
            for name, allowance, whose in self._caps(stage):
                ends = await self._pass_cap(stage, load, allowance, whose)
                beyond = len(ends) - self._that_fit(stage)
                said_no = sum(end.reason == "budget_exceeded" for end in ends)
                over, refused = over + beyond, refused + min(said_no, beyond)
                fitting += self._that_fit(stage)
                answered += sum(end.ending is Ending.ANSWERED for end in ends)
                shares[name] = min(1.0, said_no / beyond)
                stage.note(f"{name}: {said_no} of {beyond} calls over the budget were refused.")
        expect_nothing_lost(stage, load)
        stage.find("over", "Calls over a budget", over, "calls")
        stage.find("refused", "Calls over a budget that were refused", refused / over, "%", at_least=1.0)
        for name, share in shares.items():
            stage.find(f"refused_{name.split()[-1].lower()}", f"{name}: refused", share, "%", at_least=1.0)
        label = "Calls within a budget that were answered"
        stage.find("fitting", label, answered / fitting, "%", at_least=1.0)
        ledger = await stage.model.ledger()
        # It charges the largest output that a request states, so its ledger shows that each stated it.
        stated = ledger["admitted"] > 0 and ledger["charged_tokens"] == ledger["admitted"] * self._MAX_TOKENS
        stage.expect("output_cap", "Every call states its largest output", stated)

    def _caps(self, stage: Stage) -> list[tuple[str, Allowance, dict[str, str]]]:
        """Name, row, and what makes a call count for it; each with the smallest budget there is."""
        kinds = AllowanceKind
        project, usd = stage.project, LEAST_USD
        return [
            (
                "API key",
                Allowance(kind=kinds.API_KEY, subject="drill", usd_per_day=usd),
                {"api_key": "drill"},
            ),
            (
                "End user",
                Allowance(project=project, kind=kinds.END_USER, subject="drill", usd_per_day=usd),
                {"end_user": "drill"},
            ),
            ("Project", Allowance(project=project, kind=kinds.ALL, usd_per_day=usd), {}),
            ("Whole site", Allowance(kind=kinds.ALL, usd_per_day=usd), {}),
        ]

    async def _pass_cap(
        self, stage: Stage, load: Load, allowance: Allowance, whose: dict[str, str]
    ) -> list[End]:
        """A burst, which passes a cap that is checked before it is booked, and then single calls."""
        await allowance.asave()
        await sync_to_async(publish_policy)()
        make = partial(stage.call, max_tokens=self._MAX_TOKENS, **whose)
        try:
            ends = list(await asyncio.gather(*(load.make(make()) for _ in range(self._BURST))))
            ends += [await load.make(make()) for _ in range(self._AFTERWARDS)]
        finally:
            await allowance.adelete()
            await sync_to_async(publish_policy)()
        return ends

    def _that_fit(self, stage: Stage) -> int:
        call = stage.call(max_tokens=self._MAX_TOKENS)
        tokens = self._MAX_TOKENS + len(call.messages[0].content) // 4
        return int(nanos(LEAST_USD) // round(tokens * stage.spec.prices.output_token))
