"""The agent: it looks a few times a second, and at once when a request has failed."""

import asyncio
import logging
import signal
import time
from collections.abc import Awaitable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector

from ragops.agent.balancing import Balancing
from ragops.agent.haproxy import CommandLine, HAProxyError
from ragops.agent.logs import AlarmSocket, LogSocket
from ragops.agent.metrics import Board, GatewayCollector
from ragops.agent.pace import Pace
from ragops.agent.server import application, serving
from ragops.agent.stand_in import Routes, StandIn
from ragops.agent.upkeep import Upkeep
from ragops.gateway.figures import BUCKETS, variant_json
from ragops.gateway.layout import Layout
from ragops.gateway.weights_pool import Rules

logger = logging.getLogger(__name__)

UPKEEP_SECONDS: Final = 1.0
DEAD_SECONDS: Final = 60.0
"""Without any look, the agent must be restarted."""


class Agent:
    """All parts, wired. To be made in a running event loop."""

    def __init__(self, layout: Layout, rules: Rules | None = None) -> None:
        self._layout = layout
        self._started = time.time()
        self._runtime = CommandLine(Path(layout.admin_socket))
        self._logs = LogSocket(layout.log_port)
        self._rung = asyncio.Event()
        self._alarm = AlarmSocket(layout.alarm_port, self._rung.set)
        self.balancing = Balancing(self._runtime, self._logs, str(layout.retry_map), rules or Rules())
        self._upkeep = Upkeep(layout, self._runtime, self.balancing)
        self._looked_at = time.monotonic()

    async def run(self) -> None:
        """Runs until SIGTERM or SIGINT."""
        stopped = asyncio.Event()
        for one in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(one, stopped.set)
        registry = CollectorRegistry()
        registry.register(GatewayCollector(self._board))
        ProcessCollector(registry=registry)
        try:
            async with serving(self.application(registry), self._layout.agent_port):
                stand_in = StandIn(Path(self._layout.admin_socket), self._host, self._routes)
                jobs = (stopped.wait(), self._look(), self._keep_up(), stand_in.run())
                tasks = [asyncio.ensure_future(job) for job in jobs]
                try:
                    # Any of ours ending is a fault, and the container is restarted.
                    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self.close()

    def close(self) -> None:
        """Gives the ports of the log back."""
        self._alarm.close()
        self._logs.close()

    def application(self, registry: CollectorRegistry) -> web.Application:
        """The agent's HTTP endpoint."""

        def figures() -> dict[str, Any]:
            self.balancing.asked_at = time.monotonic()  # by the operator: nobody else has a use for them
            return self.figures()

        return application(self._not_alive, self._not_ready, figures, registry)

    async def _look(self) -> None:
        pace = Pace()
        while True:
            rung = await self._wait(pace.next_ask)
            began, worked = time.monotonic(), time.process_time()
            ask = began >= pace.next_ask
            changed = await self._without_haproxy(self.balancing.look(ask))
            self._looked_at = time.monotonic()
            pause = pace.after(
                began,
                time.process_time() - worked,
                asked=ask,
                rung=rung,
                changed=changed,
                busy=self.balancing.busy,
            )
            await asyncio.sleep(pause)

    async def _wait(self, until: float) -> bool:
        """Until then, or the next alarm. Whether it was one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(until - time.monotonic(), 0)):
                await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung

    async def _without_haproxy(self, look: Awaitable[bool]) -> bool:
        try:
            return await look
        except HAProxyError as error:
            logger.debug("HAProxy: %s", error)  # told by the upkeep, once
            return False

    async def _keep_up(self) -> None:
        while True:
            await self._upkeep.round()
            await asyncio.sleep(UPKEEP_SECONDS)

    @property
    def _host(self) -> str:
        """Where HAProxy listens."""
        return "0.0.0.0" if self._layout.bind == "*" else self._layout.bind

    def _routes(self) -> Routes:
        """The pods that were good at the last look, by the port of their service."""
        config = self.balancing.config
        return {
            service.port: route
            for service in (config.services.values() if config else ())
            if (route := self.balancing.route(service.name))
        }

    def _not_alive(self) -> str | None:
        age = time.monotonic() - self._looked_at
        return f"nothing was looked at for {age:.0f} s" if age > DEAD_SECONDS else None

    def _not_ready(self) -> str | None:
        standing = self._upkeep.standing
        if standing.files:
            return f"files: {standing.files}"
        return f"HAProxy: {standing.haproxy}" if standing.haproxy else None

    def figures(self) -> dict[str, Any]:
        """The answer to /v1/figures."""
        standing, ledger = self._upkeep.standing, self.balancing.ledger
        config = self.balancing.config
        return {
            "startedAt": round(self._started, 3),
            "revision": standing.revision,
            "split": standing.split,
            "refusedRevision": standing.refused,
            "filesProblem": standing.files,
            "haproxyProblem": standing.haproxy,
            "logLinesLost": self._lost(),
            "bucketBounds": BUCKETS,
            "services": [
                {
                    "name": service.name,
                    "strategy": service.strategy.value,
                    "arrivals": ledger.arrivals[service.name].total if service.name in ledger.arrivals else 0,
                    "rejected": ledger.rejected.get(service.name, 0),
                    "retriesAllowed": self.balancing.allows_retries(service.name),
                    "variants": [variant_json(one) for one in self.balancing.figures(service.name)],
                }
                for service in (config.services.values() if config else ())
            ],
        }

    def _board(self) -> Board:
        standing, ledger = self._upkeep.standing, self.balancing.ledger
        services = list(self.balancing.config.services) if self.balancing.config else []
        return Board(
            variants=[(name, one) for name in services for one in self.balancing.figures(name)],
            arrivals={name: arrivals.total for name, arrivals in ledger.arrivals.items()},
            rejected=dict(ledger.rejected),
            retries_allowed={name: self.balancing.allows_retries(name) for name in services},
            log_lines_lost=self._lost(),
            reloads=standing.reloads,
            refused=standing.refused is not None,
            reachable=standing.haproxy is None,
        )

    def _lost(self) -> int:
        return self._logs.dropped + self._upkeep.standing.dropped


async def run(layout: Layout) -> None:
    """Runs the agent until it is told to stop."""
    await Agent(layout).run()
