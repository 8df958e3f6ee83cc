"""Drills in which the provider refuses, fails, or is slow."""

import asyncio
from functools import partial
from typing import Final

from asgiref.sync import sync_to_async

from readiness.alerts.models import Alert
from readiness.limits.scripts import run as run_script
from readiness.operations.drills.base import Drill
from readiness.operations.drills.load import Ending, Load
from readiness.operations.drills.stage import Stage

_TOKENS: Final = 100
"""Of a call in drills that are about tokens."""


def expect_nothing_lost(stage: Stage, load: Load) -> None:
    """Every call must end in an answer or in words; an error that nobody foresaw is neither."""
    lost = load.of(Ending.LOST)
    stage.find("calls", "Calls made", len(load.ends), "calls")
    stage.find("lost", "Calls of which nobody knows how they ended", len(lost), "calls", at_most=0)
    crashes = load.of(Ending.CRASHED)
    for end in crashes[:3]:
        stage.note(f"A call crashed: {end.reason}")
    stage.find("crashes", "Crashes", len(crashes), "calls", at_most=0)


def expect_all_answered(stage: Stage, load: Load) -> None:
    expect_nothing_lost(stage, load)
    share = len(load.answered) / len(load.ends)
    stage.find("answered", "Calls that were answered in the end", share, "%", at_least=1.0)


def first_answer_after(load: Load, moment: float) -> float:
    """Seconds from the moment to the first answer after it; a minute when there was none."""
    return min((end.ended - moment for end in load.answered if end.ended >= moment), default=60.0)


def _clock() -> float:
    return asyncio.get_running_loop().time()


class Storm(Drill):
    name = "storm"
    title = "Storm of 429s"
    about = (
        "The provider refuses every call with 429 for a while: everybody pauses together, and nobody is lost."
    )
    seconds = 45

    async def run(self, stage: Stage) -> None:
        storm_s, per_second = stage.pick(15.0, 2.0), stage.pick(5, 15)
        async with stage.load() as load:
            stage.note("Calls begin.")
            await load.steady(stage.call, per_second=per_second, seconds=stage.pick(3.0, 0.5))
            await stage.model.break_for("429", storm_s, retry_after=stage.pick(1.0, 0.4))
            ends_at = _clock() + storm_s
            stage.note(f"The provider says 429 to everything for {storm_s:g} s.")
            await load.steady(stage.call, per_second=per_second, seconds=storm_s)
            stage.note("The provider answers again.")
            await load.finish(patience_s=stage.pick(45.0, 8.0))
        offered = storm_s * per_second
        refused = (await stage.model.ledger())["fault_429"]
        expect_all_answered(stage, load)
        label = "429s that the provider had to send, for each call that was made meanwhile"
        stage.find("refusals", label, refused / offered, at_most=1.0)
        waited = first_answer_after(load, ends_at)
        stage.find("recovery", "Until the first answer after the storm", waited, "s", at_most=5.0)


class RetryAfter(Drill):
    name = "retry-after"
    title = "Retry-After of a minute"
    about = (
        "One call is told to come back in 60 seconds: no call of anybody is sent before, and all go on after."
    )
    seconds = 75

    async def run(self, stage: Stage) -> None:
        pause_s, per_second = stage.pick(60.0, 2.0), stage.pick(1, 10)
        wait_s = pause_s + 30
        async with stage.load() as load:
            await stage.model.break_next("429", retry_after=pause_s)
            ends_at = _clock() + pause_s  # at the earliest: the answer is still to come
            load.start(stage.call(longest_wait_s=wait_s))
            told = await stage.until(lambda state: state.pause_s > 0, seconds=5)
            stage.note(f"The provider said: come back in {pause_s:g} s.")
            await load.steady(
                lambda: stage.call(longest_wait_s=wait_s), per_second=per_second, seconds=pause_s
            )
            await load.finish(patience_s=15)
        stage.expect("paused", "The pause was taken up", told)
        self._judge(stage, load, ends_at)

    def _judge(self, stage: Stage, load: Load, ends_at: float) -> None:
        """``ends_at``: when the pause was over, by the event loop's clock."""
        early = [end for end in load.answered if end.sent < ends_at]
        expect_all_answered(stage, load)
        stage.find("early", "Calls that were sent before the time", len(early), "calls", at_most=0)
        stage.find(
            "resumed",
            "From the end of the pause to the first answer",
            first_answer_after(load, ends_at),
            "s",
            at_most=2.0,
        )


class Overloaded(Drill):
    name = "overloaded"
    title = "Provider overloaded (529)"
    about = (
        "The provider says for a while that it is busy: "
        "fewer calls are in flight, and the quota is left alone."
    )
    seconds = 50

    async def run(self, stage: Stage) -> None:
        busy_s, per_second = stage.pick(12.0, 1.5), stage.pick(8, 20)
        async with stage.load() as load:
            await load.steady(stage.call, per_second=per_second, seconds=stage.pick(3.0, 0.5))
            await stage.model.break_for("529", busy_s)
            ends_at = _clock() + busy_s
            stage.note(f"The provider says 529 for {busy_s:g} s.")
            await load.steady(stage.call, per_second=per_second, seconds=busy_s)
            state = await stage.state()
            stage.note("The provider answers again.")
            await load.steady(stage.call, per_second=per_second, seconds=stage.pick(5.0, 0.5))
            await load.finish(patience_s=stage.pick(25.0, 12.0))
        failed = (await stage.model.ledger())["failed"]
        allowed = stage.spec.quota.concurrency or 0
        expect_nothing_lost(stage, load)
        places = allowed if state.places is None else state.places
        stage.find("places", "Places left of those allowed", places / allowed, "%", at_most=0.5)
        stage.find("quota", "Part of the quota in use", state.share, "%", at_least=1.0)
        stage.find("errors", "Calls that ended in an error", len(load.of(Ending.FAILED)), "calls")
        label = "Attempts that the busy provider saw, for each call that was made meanwhile"
        stage.find("attempts", label, failed / (busy_s * per_second), at_most=1.0)
        waited = first_answer_after(load, ends_at)
        stage.find("recovery", "Until the first answer after the overload", waited, "s", at_most=15.0)


class Billing(Drill):
    name = "billing"
    title = "Out of credit"
    about = (
        "The provider refuses for want of money: "
        "calls stop at once, an alert is raised, and an admin resumes them."
    )
    seconds = 15

    async def run(self, stage: Stage) -> None:
        unpaid_s, per_second = stage.pick(6.0, 1.0), stage.pick(10, 20)
        async with stage.load() as load:
            await load.steady(stage.call, per_second=per_second, seconds=stage.pick(2.0, 0.5))
            await stage.model.break_for("billing", unpaid_s)
            stopped_at = _clock()
            stage.note("The provider says that the account is out of credit.")
            await load.steady(stage.call, per_second=per_second, seconds=unpaid_s)
            await load.finish(patience_s=5)
            alerts = await Alert.objects.open().filter(project=stage.project).acount()
            refused = [end for end in load.of(Ending.REFUSED) if end.reason == "out_of_credit"]
            await asyncio.sleep(max(0.0, stopped_at + unpaid_s + 0.1 - _clock()))
            await sync_to_async(run_script)("feedback", stage.spec.upstream, "resume", None, 0)
            stage.note("The account is paid, and an admin resumes the deployment.")
            again = [await load.make(stage.call()) for _ in range(3)]
        reached = (await stage.model.ledger())["fault_429"]
        slowest = max((end.seconds for end in refused), default=60.0)
        expect_nothing_lost(stage, load)
        stage.find("alert", "Alerts raised", alerts, at_least=1)
        stage.find("reached", "Calls that reached the provider unpaid", reached, "calls", at_most=8)
        stage.find("slowest", "Longest time until a call was refused", slowest, "s", at_most=1.0)
        share = sum(end.ending is Ending.ANSWERED for end in again) / len(again)
        stage.find("resumed", "Calls answered after the deployment was resumed", share, "%", at_least=1.0)


class Slow(Drill):
    name = "slow"
    title = "Slow provider"
    about = "Every answer takes seconds longer: calls queue for their places, and none is taken for dead."
    seconds = 45
    quota = {"rpm": 600, "concurrency": 8}

    async def run(self, stage: Stage) -> None:
        slow_s, delay_s, per_second = stage.pick(20.0, 1.5), stage.pick(6.0, 1.0), stage.pick(2, 12)
        most = 0
        async with stage.load() as load:
            await stage.model.break_for("slow", slow_s, delay=delay_s)
            stage.note(f"Every answer takes {delay_s:g} s longer for {slow_s:g} s.")
            making = asyncio.create_task(
                load.steady(stage.call, per_second=per_second, seconds=slow_s + stage.pick(5.0, 0.5))
            )
            while not making.done():
                most = max(most, (await stage.model.ledger())["in_flight"])
                await asyncio.sleep(0.1)
            await load.finish(patience_s=stage.pick(40.0, 10.0))
        ledger = await stage.model.ledger()
        expect_all_answered(stage, load)
        allowed = stage.spec.quota.concurrency or 0
        stage.find("in_flight", "Most calls in flight at the provider", most, "calls", at_most=allowed)
        stage.find("refusals", "429s from the provider", ledger["quota_429"], at_most=0)
        longest = max((end.queue_s for end in load.answered), default=0.0)
        stage.find("wait", "Longest wait in the queue", longest, "s")


class Outage(Drill):
    name = "outage"
    title = "Provider gone"
    about = (
        "Every connection breaks off for a while: "
        "the circuit opens, callers are told, and calls go on by themselves."
    )
    seconds = 55

    async def run(self, stage: Stage) -> None:
        gone_s, per_second = stage.pick(15.0, 1.5), stage.pick(8, 20)
        async with stage.load() as load:
            await load.steady(stage.call, per_second=per_second, seconds=stage.pick(3.0, 0.5))
            await stage.model.break_for("outage", gone_s)
            ends_at = _clock() + gone_s
            stage.note(f"The provider is gone for {gone_s:g} s.")
            await load.steady(stage.call, per_second=per_second, seconds=gone_s)
            opened = (await stage.state()).open_s > 0
            stage.note("The provider is back.")
            await load.steady(stage.call, per_second=per_second, seconds=stage.pick(3.0, 0.5))
            await load.finish(patience_s=stage.pick(30.0, 12.0))
        broken = (await stage.model.ledger())["outage"]
        expect_nothing_lost(stage, load)
        stage.expect("circuit", "The circuit was open", opened)
        label = "Attempts that met the outage, for each call that was made meanwhile"
        stage.find("attempts", label, broken / (gone_s * per_second), at_most=1.0)
        failed = load.of(Ending.FAILED)
        stage.find("errors", "Calls that ended in an error", len(failed), "calls")
        slowest = max((end.seconds for end in load.ends), default=0.0)
        label = "Longest time until a caller had an answer or an error"
        stage.find("slowest", label, slowest, "s", at_most=60.0)
        waited = first_answer_after(load, ends_at)
        stage.find("recovery", "Until the first answer after the outage", waited, "s", at_most=15.0)


class Halved(Drill):
    name = "halved"
    title = "Quota halved"
    about = (
        "The provider halves the quota while calls saturate it: "
        "the rate settles at the half within 30 seconds."
    )
    seconds = 75
    quota = {"tpm": 120_000}

    @property
    def _half_per_second(self) -> float:
        """Calls that the halved quota lets through."""
        return int(self.quota["tpm"]) / 2 / 60 / _TOKENS

    async def run(self, stage: Stage) -> None:
        watch_s = stage.pick(50.0, 4.0)
        async with stage.load() as load:
            await stage.drain(load)
            make = partial(stage.call, max_tokens=_TOKENS)
            await load.steady(make, per_second=self._half_per_second * 2.5, seconds=stage.pick(5.0, 1.0))
            await stage.model.change({"quota": {"tpm": self.quota["tpm"] // 2}})
            began = _clock()
            stage.note(f"The provider halves its quota to {self.quota['tpm'] // 2:,} tokens a minute.")
            await load.steady(make, per_second=self._half_per_second * 1.2, seconds=watch_s)
            await load.finish(patience_s=stage.pick(30.0, 12.0))
        await self._judge(stage, load, began, watch_s)

    async def _judge(self, stage: Stage, load: Load, began: float, watch_s: float) -> None:
        """``began``: when the quota was halved, by the event loop's clock."""
        ledger = await stage.model.ledger()
        expect_nothing_lost(stage, load)
        stage.find("refusals", "429s from the provider", ledger["quota_429"], at_most=20)
        half_way = began + watch_s / 2
        sent = [end.sent for end in load.answered if half_way <= end.sent <= began + watch_s]
        used = len(sent) / (watch_s / 2) / self._half_per_second
        stage.find("used", "Use of the halved quota in the second half of the drill", used, "%", at_least=0.9)
