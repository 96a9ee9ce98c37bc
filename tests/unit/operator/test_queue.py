"""The work queue: each key once, one pass at a time, backoff, and what the liveness probe sees."""

import asyncio

import pytest

from ragops.cluster.cache import Key
from ragops.controller.queue import BACKOFF_FIRST, BACKOFF_LIMIT, GENTLE_SECONDS, WorkQueue

A, B = Key("ns", "a"), Key("ns", "b")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_key_that_waits_is_not_added_twice() -> None:
    queue = WorkQueue()
    for key in (A, B, A):
        queue.add(key)
    assert [await queue.get(), await queue.get()] == [A, B]
    assert await _is_empty(queue)


async def test_a_key_in_its_pass_is_not_given_out_but_comes_again() -> None:
    queue = WorkQueue()
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.add(A)
    assert await _is_empty(queue)
    queue.done(A, failed=False)
    assert await queue.get() == A
    queue.done(A, failed=False)
    assert await _is_empty(queue)


async def test_a_failed_pass_is_repeated_each_time_later() -> None:
    queue = WorkQueue()
    delays = [await _failed_pass(queue) for _ in range(10)]
    assert delays[0] == pytest.approx(BACKOFF_FIRST, abs=0.1)
    assert delays[1] == pytest.approx(2 * BACKOFF_FIRST, abs=0.1)
    assert delays[-1] == pytest.approx(BACKOFF_LIMIT, abs=0.1)


async def test_a_failed_pass_is_repeated_by_itself() -> None:
    queue = WorkQueue()
    queue.add(A)
    await queue.get()
    queue.done(A, failed=True)
    assert await _is_empty(queue)
    assert await asyncio.wait_for(queue.get(), timeout=5 * BACKOFF_FIRST) == A


async def test_news_during_a_failed_pass_are_not_held_back_by_its_backoff() -> None:
    """Something else of the same RAGDeployment has become ready: it must not wait for a minute."""
    queue = WorkQueue()
    for _ in range(6):  # the backoff is long by now
        await _failed_pass(queue)
    queue.add(A)
    await queue.get()
    queue.add(A)
    queue.done(A, failed=True)
    assert await asyncio.wait_for(queue.get(), timeout=5 * BACKOFF_FIRST) == A


async def test_success_resets_the_backoff() -> None:
    queue = WorkQueue()
    for _ in range(3):
        await _failed_pass(queue)
    queue.add(A)
    await queue.get()
    queue.done(A, failed=False)
    assert await _failed_pass(queue) == pytest.approx(BACKOFF_FIRST, abs=0.1)


async def test_the_earlier_of_two_timers_counts() -> None:
    queue = WorkQueue()
    queue.add_after(A, 60)
    queue.add_after(A, 0.01)
    queue.add_after(A, 30)
    assert await asyncio.wait_for(queue.get(), timeout=5) == A


async def test_a_pass_that_does_not_end_is_stuck() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    assert queue.stuck_seconds() == 0
    queue.add(A)
    await queue.get()
    clock.now = 50
    queue.add(B)
    await queue.get()
    clock.now = 130
    assert queue.stuck_seconds() == 130
    queue.done(A, failed=True)
    assert queue.stuck_seconds() == 80
    queue.done(B, failed=False)
    assert queue.stuck_seconds() == 0


async def test_a_queue_of_which_nothing_is_taken_is_stuck_but_not_a_long_one_that_moves() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    clock.now = 1000  # after a long time without any work
    queue.add(A)
    queue.add(B)
    assert queue.stuck_seconds() == 0
    clock.now = 1130
    assert queue.stuck_seconds() == 130
    await queue.get()
    queue.done(A, failed=False)
    assert queue.stuck_seconds() == 0, "B has waited for 130 s, but it is its turn now"


async def test_what_is_measured_wakes_a_failing_key_now_and_then() -> None:
    clock = Clock()
    queue = WorkQueue(clock)
    await _failed_pass(queue)
    queue.add_gently(A)
    assert await _is_empty(queue)
    queue.add_gently(B)
    assert await queue.get() == B
    clock.now += GENTLE_SECONDS
    queue.add_gently(A)
    assert await queue.get() == A
    queue.done(A, failed=True)
    queue.add_gently(A)
    assert await _is_empty(queue)
    queue.forget(A)
    queue.add_gently(A)
    assert await queue.get() == A


async def test_a_failure_may_last_for_ever() -> None:
    queue = WorkQueue()
    for _ in range(1100):
        assert await _failed_pass(queue) <= BACKOFF_LIMIT
    assert await _failed_pass(queue) > BACKOFF_LIMIT - 1


async def _is_empty(queue: WorkQueue) -> bool:
    waiting = asyncio.create_task(queue.get())
    await asyncio.wait({waiting}, timeout=0.05)
    empty = not waiting.done()
    waiting.cancel()
    return empty


async def _failed_pass(queue: WorkQueue) -> float:
    """One pass over A that fails. Returns after how long it would be repeated, and forgets that."""
    queue.add(A)
    await queue.get()
    queue.done(A, failed=True)
    timer = queue._timers.pop(A)
    timer.cancel()
    return timer.when() - asyncio.get_running_loop().time()
