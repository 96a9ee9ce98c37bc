"""The work queue: each key once, never in two passes at a time, retried with backoff.

Its size is bounded by the number of RAGDeployments, whatever the number of events.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from ragops.cluster.cache import Key
from ragops.telemetry.metrics import QUEUE_LENGTH

BACKOFF_FIRST: Final = 0.5
BACKOFF_LIMIT: Final = 60.0
GENTLE_SECONDS: Final = 5.0
"""Between two passes of a key that fails, where only measurements ask for them."""
_DOUBLINGS: Final = 7
"""Of the first backoff, until the limit: a failure may last for days, and the number must stay one."""


class WorkQueue:
    """Keys that wait for a pass. Not thread-safe: for one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: dict[Key, float] = {}
        self._active: dict[Key, float] = {}
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._failed_at: dict[Key, float] = {}
        self._filled = asyncio.Event()
        self._taken = clock()

    def add(self, key: Key) -> None:
        """A pass is wanted as soon as possible."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = self._clock()
            self._filled.set()
        QUEUE_LENGTH.set(len(self._waiting))

    def add_gently(self, key: Key) -> None:
        """A pass is wanted for something measured. Where one has failed, not at once: what fails concerns one
        service, and is tried again with each pass; what was measured concerns the others too.
        """
        failed_at = self._failed_at.get(key)
        if failed_at is None or self._clock() - failed_at >= GENTLE_SECONDS:
            self.add(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """A pass is wanted after this time, or earlier if something happens."""
        when = asyncio.get_running_loop().time() + max(seconds, 0.0)
        timer = self._timers.get(key)
        if timer is not None and not timer.cancelled() and timer.when() <= when:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = asyncio.get_running_loop().call_at(when, self._ring, key)

    async def get(self) -> Key:
        """The key that has waited longest. `done` must follow."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._taken = self._active[key] = self._clock()
        QUEUE_LENGTH.set(len(self._waiting))
        return key

    def done(self, key: Key, failed: bool) -> None:
        """The pass is over. A failed one is repeated, each time later; sooner if something has happened."""
        self._active.pop(key, None)
        if failed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            self._failed_at[key] = self._clock()
            self.add_after(key, min(BACKOFF_FIRST * 2 ** min(failures, _DOUBLINGS), BACKOFF_LIMIT))
        else:
            self._failures.pop(key, None)
            self._failed_at.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            if failed:
                self.add_after(key, BACKOFF_FIRST)
            else:
                self.add(key)

    def forget(self, key: Key) -> None:
        """The RAGDeployment is gone: drop what is remembered of it."""
        self._failures.pop(key, None)
        self._failed_at.pop(key, None)
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()

    def stuck_seconds(self) -> float:
        """How long a pass has been going on, or keys have been waiting without any being taken.

        A queue that is long, but moves, is not stuck.
        """
        now = self._clock()
        idle = now - max(self._taken, next(iter(self._waiting.values()))) if self._waiting else 0.0
        return max((now - since for since in self._active.values()), default=idle)

    def _ring(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)
