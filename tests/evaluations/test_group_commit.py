import asyncio

import pytest

from readiness.evaluations.group_commit import GroupCommit


async def test_items_that_arrive_during_a_write_form_the_next_batch():
    batches: list[list[int]] = []
    gate = asyncio.Event()

    async def write(batch):
        batches.append(list(batch))
        await gate.wait()

    commit: GroupCommit[int] = GroupCommit(write)
    first = asyncio.create_task(commit.add(0))
    await asyncio.sleep(0.01)
    rest = [asyncio.create_task(commit.add(n)) for n in (1, 2, 3)]
    await asyncio.sleep(0.01)
    gate.set()
    await asyncio.gather(first, *rest)
    assert batches == [[0], [1, 2, 3]]


async def test_an_item_returns_only_when_it_is_durable():
    written = []

    async def write(batch):
        await asyncio.sleep(0.01)
        written.extend(batch)

    await GroupCommit(write).add("a")
    assert written == ["a"]


async def test_everybody_of_a_failed_batch_gets_the_error_and_the_next_batch_is_written():
    fail = True

    async def write(batch):
        if fail:
            raise OSError("disk full")

    commit: GroupCommit[int] = GroupCommit(write)
    ends = await asyncio.gather(commit.add(1), commit.add(2), return_exceptions=True)
    fail = False
    await commit.add(3)
    assert [str(end) for end in ends] == ["disk full", "disk full"]


async def test_a_waiter_that_was_cancelled_does_not_stop_the_batch():
    gate = asyncio.Event()
    written = []

    async def write(batch):
        await gate.wait()
        written.extend(batch)

    commit: GroupCommit[str] = GroupCommit(write)
    gone, stays = asyncio.create_task(commit.add("a")), asyncio.create_task(commit.add("b"))
    await asyncio.sleep(0.01)
    gone.cancel()
    gate.set()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert written == ["a", "b"]
