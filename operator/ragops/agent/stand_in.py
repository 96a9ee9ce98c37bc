"""Takes connections in the place of an HAProxy that has died, until the next one runs.

A container takes a second or two to be started again, and for that time its ports would refuse connections
that kube-proxy still sends. Meanwhile they are passed through to pods that were good a moment ago: without
weights, limits and retries, but answered.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

BACK_SECONDS: Final = 0.02
"""Between two looks for another HAProxy."""
CONNECT_SECONDS: Final = 1.0
CONNECTIONS: Final = 2000
"""At a time; further ones are closed."""
CHUNK: Final = 1 << 16

Routes = Mapping[int, Sequence[str]]
"""By port of the gateway: the pods behind it, as `address:port`."""


class StandIn:
    """To be run beside the agent's other jobs."""

    def __init__(self, admin: Path, host: str | None, routes: Callable[[], Routes]) -> None:
        self._admin = admin
        self._host = host
        self._routes = routes
        self._open = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._come()  # at the first start there is nobody to stand in for
        while True:
            await self._end()
            if not await self._is_there():
                await self._serve()

    async def _come(self) -> None:
        """Waits for an HAProxy."""
        while True:
            if await self._is_there():
                return
            await asyncio.sleep(BACK_SECONDS)

    async def _end(self) -> None:
        """Waits until HAProxy closes a connection: it has ended, was replaced, or has nothing to say."""
        with suppress(OSError):
            reader, writer = await asyncio.open_unix_connection(self._admin)
            try:
                await reader.read()
            finally:
                writer.close()

    async def _is_there(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(self._admin)
        except OSError:
            return False
        writer.close()
        return True

    async def _serve(self) -> None:
        routes = self._routes()
        logger.warning("HAProxy has ended: its connections are passed through until it is back")
        servers: list[asyncio.Server] = []
        try:
            for port, pods in routes.items():
                # HAProxy shares its ports in this way too, so the next one is not kept from listening.
                passing = partial(self._pass_through, pods)
                servers.append(
                    await asyncio.start_server(passing, self._host, port, reuse_port=True, backlog=1024)
                )
            await self._come()
        except OSError as error:
            logger.warning("no stand-in for HAProxy: %s", error)
        finally:
            for server in servers:
                server.close()
        logger.warning("HAProxy is back")

    async def _pass_through(
        self, pods: Sequence[str], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._open >= CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            if (pod := await _connect(pods)) is None:
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, pod[1]))
                group.create_task(_pump(pod[0], writer))
        finally:
            self._open -= 1
            writer.close()


async def _connect(pods: Sequence[str]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """The first of the pods, in any order, that takes a connection."""
    for address in random.sample(pods, len(pods)):
        host, _, port = address.rpartition(":")
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(host, int(port))
    return None


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until one side ends; the other may still have something to say."""
    with suppress(OSError):
        while part := await source.read(CHUNK):
            target.write(part)
            await target.drain()
        target.write_eof()
