"""Connections that are passed through to a pod as they are, and when they end."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

CONNECT_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 600.0
"""Without a byte: one side has vanished."""
BETWEEN_SECONDS: Final = 1.0
"""Once HAProxy is back: without a byte after an answer, no request is under way."""
LEFT_SECONDS: Final = 60.0
"""Once HAProxy is back: what still has a request under way may go on for so long."""
LOOK_SECONDS: Final = 0.25
CHUNK: Final = 1 << 16

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def over(now: float, last: float, answered: bool, back: float | None) -> bool:
    """Whether a connection shall be closed. Times in seconds of one clock.

    `last`: of the last byte; `answered`: it came from the pod; `back`: since when there is an HAProxy again.
    """
    idle = now - last
    if idle >= IDLE_SECONDS:
        return True
    if back is None:
        return False
    return now - back >= LEFT_SECONDS or (answered and idle >= BETWEEN_SECONDS)


class Passing:
    """One connection."""

    def __init__(self, client: Stream, pod: Stream, back: Callable[[], float | None]) -> None:
        self._client = client
        self._pod = pod
        self._back = back
        self._last = asyncio.get_running_loop().time()
        self._answered = True

    async def run(self) -> None:
        """Until both sides have ended, or it is over."""
        pumps = (
            asyncio.ensure_future(self._pump(self._client[0], self._pod[1], answering=False)),
            asyncio.ensure_future(self._pump(self._pod[0], self._client[1], answering=True)),
        )
        clock = asyncio.get_running_loop().time
        try:
            while (await asyncio.wait(pumps, timeout=LOOK_SECONDS))[1]:
                if over(clock(), self._last, self._answered, self._back()):
                    self._abort()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._pod[1].close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, answering: bool
    ) -> None:
        """Until one side ends; the other may still have something to say."""
        try:
            while part := await source.read(CHUNK):
                self._last, self._answered = asyncio.get_running_loop().time(), answering
                target.write(part)
                await target.drain()
            target.write_eof()
        except OSError:
            self._abort()

    def _abort(self) -> None:
        """Waits for nobody to take what is left."""
        for _, writer in (self._client, self._pod):
            writer.transport.abort()


async def connect(groups: Sequence[Sequence[str]]) -> Stream | None:
    """The first that takes a connection: of the first group's pods, in any order, then of the next one's."""
    for address in (pod for pods in groups for pod in random.sample(pods, len(pods))):
        host, _, port = address.rpartition(":")
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(host, int(port))
    return None
