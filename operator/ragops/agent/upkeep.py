"""What is looked after once a second: the operator's files, HAProxy's process, maps and configuration."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ragops.agent.balancing import Balancing
from ragops.agent.files import Content, Mounted
from ragops.agent.haproxy import CommandLine, HAProxyError
from ragops.agent.reload import RefusedError, reload
from ragops.gateway.agent_config import AgentConfigError
from ragops.gateway.layout import Layout
from ragops.gateway.runtime import (
    PROXIES,
    RuntimeAnswerError,
    parse_arrivals,
    parse_info,
    parse_map,
    parse_queues,
    set_map,
)

logger = logging.getLogger(__name__)

MAPS_EVERY: Final = 10
"""Rounds after which the maps are compared although nothing has happened."""


@dataclass
class Standing:
    """How things stand, for the figures."""

    revision: str | None = None
    """The operator's, that is in force; None: it is not known yet."""
    refused: str | None = None
    """The revision that HAProxy does not take; None: it took the last one."""
    files: str | None = "not read yet"
    """Why the files cannot be used; None: they can."""
    haproxy: str | None = "not asked yet"
    """Why HAProxy cannot be asked; None: it can."""
    dropped: int = 0
    """Log lines that HAProxy could not send."""
    reloads: int = 0


class Upkeep:
    """Brings files and HAProxy together."""

    def __init__(self, layout: Layout, runtime: CommandLine, balancing: Balancing) -> None:
        self._layout = layout
        self._runtime = runtime
        self._master = CommandLine(Path(layout.master_socket))
        self._balancing = balancing
        self._files = Mounted(layout)
        self._content: Content | None = None
        self._loaded: tuple[str, object] | None = None
        """Configuration and certificate that HAProxy has, or has refused."""
        self._worker: str | None = None
        self._rounds = 0
        self.standing = Standing()

    async def round(self) -> None:
        """One look at everything. Troubles are kept in `standing`."""
        changed = self._read()
        try:
            restarted = await self._look_at_haproxy()
            if self._content is not None:
                await self._load(self._content, restarted)
                self._rounds += 1
                if changed or restarted or self._rounds % MAPS_EVERY == 0:
                    await self._correct_maps(self._content)
            self._standing_of(None)
        except HAProxyError as error:
            self._standing_of(str(error))

    def _read(self) -> bool:
        try:
            content = self._files.changed()
        except (OSError, AgentConfigError) as error:
            why = f"{type(error).__name__}: {error}"
            if why != self.standing.files:
                logger.warning("the files of the operator cannot be used: %s", why)
            self.standing.files = why
            return False
        if content is None:
            return False
        self.standing.files = None
        self._content = content
        self._balancing.config = content.agent
        return True

    async def _look_at_haproxy(self) -> bool:
        """Reads what it tells of itself. Whether it is another process than the last time."""
        info = parse_info(await self._runtime.ask("show info"))
        text = await self._runtime.ask(PROXIES)
        try:
            self._balancing.queues = parse_queues(text)
            services = self._content.agent.services if self._content else {}
            arrivals = {name: count for name, count in parse_arrivals(text).items() if name in services}
            self.standing.dropped = int(info["DroppedLogs"])
            worker, started = info["Pid"], int(info["Start_time_sec"])
        except (RuntimeAnswerError, KeyError, ValueError) as error:
            raise HAProxyError(f"its answer is not understood: {error}") from error
        self._balancing.ledger.arrived(arrivals)
        if worker == self._worker:
            return False
        self._worker = worker
        if self._content is not None:
            # It read the files when it started; in the same second, nobody knows.
            has_it = started > self._content.written
            self._loaded = (self._content.haproxy, self._content.certificate) if has_it else None
        return True

    async def _load(self, content: Content, restarted: bool) -> None:
        """Has HAProxy load the configuration if it has another one, once."""
        wanted = (content.haproxy, content.certificate)
        if self._loaded != wanted:
            self._loaded = wanted
            try:
                state = Path(self._layout.server_state)
                self._worker = str(await reload(self._master, self._runtime, state))
            except RefusedError as error:
                logger.error("revision %s: %s", content.agent.revision, error)
                self.standing.refused = content.agent.revision
                return
            except HAProxyError:
                self._loaded = None  # tried again in the next round
                raise
            logger.info("revision %s is loaded", content.agent.revision)
            self.standing.reloads += 1
            self.standing.refused = None
            await self._correct_maps(content)
        elif restarted:
            self.standing.refused = None
        if self.standing.refused is None:
            self.standing.revision = content.agent.revision

    async def _correct_maps(self, content: Content) -> None:
        """Sets the entries that are not what they should be."""
        maps = {
            str(self._layout.split_map): content.split,
            str(self._layout.retry_map): self._balancing.retry_entries(),
        }
        for path, wanted in maps.items():
            has = parse_map(await self._runtime.ask(f"show map {path}"))
            entries = [(key, value) for key, value in wanted.items() if key in has and has[key] != value]
            await self._runtime.tell(set_map(path, key, value) for key, value in entries)

    def _standing_of(self, haproxy: str | None) -> None:
        if haproxy != self.standing.haproxy:
            logger.log(
                logging.WARNING if haproxy else logging.INFO,
                "HAProxy: %s",
                haproxy or "answers",
            )
        self.standing.haproxy = haproxy
