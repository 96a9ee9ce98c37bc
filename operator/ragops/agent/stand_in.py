"""Takes connections in the place of an HAProxy that has died, until the next one has servers.

A container takes a second or two to be started again, and for that time its ports would refuse connections
that kube-proxy still sends. Meanwhile they are passed through to pods that were good a moment ago: without
weights, limits and retries, but answered.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from ragops.agent.haproxy import CommandLine, HAProxyError
from ragops.agent.passing import Passing, connect
from ragops.agent.route import Route
from ragops.agent.shared_port import BACKLOG, SharedPort
from ragops.gateway.runtime import SERVERS, RuntimeAnswerError, parse_servers

logger = logging.getLogger(__name__)

BACK_SECONDS: Final = 0.02
"""Between two looks for another HAProxy."""
SERVERS_SECONDS: Final = 0.1
"""Between two looks for its servers: with thousands of them it has more to say."""
EMPTY_SECONDS: Final = 5.0
"""For so long one that runs may have no servers. Then it has its ports all the same: it may know better."""
HAND_OVER_SECONDS: Final = 0.2
"""For the connections that the kernel has given to us, and that are not taken yet."""
CONNECTIONS: Final = 2000
"""At a time; further ones are closed."""

Routes = Mapping[int, Route]
"""By port of the gateway."""


class StandIn:
    """To be run beside the agent's other jobs."""

    def __init__(self, admin: Path, host: str, routes: Callable[[], Routes]) -> None:
        self._admin = admin
        self._runtime = CommandLine(admin)
        self._host = host
        self._routes = routes
        self._open = 0
        self._back: float | None = None
        """Since when there is an HAProxy again, on the event loop's clock; None: there is none."""

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._come(())  # at the first start there is nobody to stand in for
        while True:
            await self._end()
            if not await self._is_there():
                await self._serve()

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
        self._back = None
        logger.warning("HAProxy has ended: its connections are passed through until it is back")
        servers: list[asyncio.Server] = []
        ports: list[SharedPort] = []
        try:
            for number, route in routes.items():
                port = SharedPort(self._host, number)
                ports.append(port)
                passing = partial(self._pass_through, route)
                servers.append(await asyncio.start_server(passing, sock=port.socket, backlog=BACKLOG))
        except OSError as error:
            logger.warning("no stand-in for HAProxy: %s", error)
        try:
            while not await self._handed_over(routes.values(), ports):
                for port in ports:
                    port.take_all()
        finally:
            for server in servers:
                server.close()
            for port in ports:
                port.socket.close()
        self._back = asyncio.get_running_loop().time()
        logger.warning("HAProxy is back")

    async def _handed_over(self, routes: Iterable[Route], ports: Iterable[SharedPort]) -> bool:
        """Waits for an HAProxy and gives it the ports; False where it has ended meanwhile."""
        await self._come(routes)
        for port in ports:
            port.hand_over()
        await asyncio.sleep(HAND_OVER_SECONDS)
        return await self._is_there()

    async def _come(self, routes: Iterable[Route]) -> None:
        """Waits for an HAProxy that has servers, but not for long once there is one."""
        clock = asyncio.get_running_loop().time
        since: float | None = None
        while True:
            served = await self._serves(routes)
            since = None if served is None else since if since is not None else clock()
            if served or (since is not None and clock() - since >= EMPTY_SECONDS):
                return
            await asyncio.sleep(BACK_SECONDS if since is None else SERVERS_SECONDS)

    async def _serves(self, routes: Iterable[Route]) -> bool | None:
        """Whether HAProxy has a server for each of them; None: there is no HAProxy."""
        try:
            stats = parse_servers(await self._runtime.ask(SERVERS))
        except (HAProxyError, RuntimeAnswerError):
            return None
        return all(route.served(stats) for route in routes)

    async def _pass_through(
        self, route: Route, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._open >= CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            pod = await connect(route.order(random.randrange(100)))
            if pod is not None:
                await Passing((reader, writer), pod, lambda: self._back).run()
        finally:
            self._open -= 1
            writer.close()
