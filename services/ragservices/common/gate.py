"""Bounded concurrency: so many at work, so many waiting, the rest are told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ragservices.common.errors import ApiError
from ragservices.common.metrics import IN_PROGRESS, QUEUE_DEPTH


class Gate:
    """Admits requests. Fair: who waits longest is next."""

    def __init__(self, service: str, *, concurrency: int, queue: int, retry_after: int = 1) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._queue = queue
        self._concurrency = concurrency
        self._retry_after = retry_after
        self._inside = 0
        self._waiting = QUEUE_DEPTH.labels(service)
        self._working = IN_PROGRESS.labels(service)

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[None]:
        """Waits for a slot and holds it. Raises ApiError 429 at once when the waiting room is full."""
        if self._inside >= self._concurrency + self._queue:
            raise ApiError(
                429,
                "too_many_requests",
                f"{self._concurrency} requests are being worked on and {self._queue} are waiting; "
                f"try again in {self._retry_after} s",
                retry_after=self._retry_after,
            )
        self._inside += 1
        try:
            with self._waiting.track_inprogress():
                await self._slots.acquire()
            try:
                with self._working.track_inprogress():
                    yield
            finally:
                self._slots.release()
        finally:
            self._inside -= 1
