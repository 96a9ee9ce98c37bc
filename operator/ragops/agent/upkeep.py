"""What is looked after once a second: the operator's files, HAProxy's process, maps and configuration."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ragops.agent.balancing import Balancing
from ragops.agent.files import Content, Mounted
from ragops.agent.haproxy import CommandLine, HAProxyError
from ragops.agent.reload import RefusedError, ServerState, reload
from ragops.gateway.agent_config import AgentConfigError
from ragops.gateway.files import read_split_map
from ragops.gateway.layout import Layout
from ragops.gateway.naming import digest
from ragops.gateway.runtime import (
    PROXIES,
    RuntimeAnswerError,
    parse_arrivals,
    parse_info,
    parse_map,
    parse_map_file,
    parse_queues,
    set_map,
)

logger = logging.getLogger(__name__)

MAPS_EVERY: Final = 10
"""Rounds after which the maps are compared although nothing has happened."""
STATE_EVERY: Final = 3
"""Rounds after which the state of the servers is saved: an HAProxy that is killed leaves no other."""


@dataclass
class Standing:
    """How things stand, for the figures."""

    revision: str | None = None
    """The operator's, that is in force; None: it is not known yet."""
    split: str | None = None
    """Digest of the split.map whose shares HAProxy has; None: it is not known."""
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
        self._state = ServerState(runtime, Path(layout.server_state))
        self._content: Content | None = None
        self._loaded: tuple[str, object] | None = None
        """Configuration and certificate that HAProxy has, or has refused."""
        self._worker: str | None = None
        self._rounds = 0
        self.standing = Standing()

    async def round(self) -> None:
        """One look at everything. Troubles are kept in `standing`."""
        self._read()
        try:
            restarted = await self._look_at_haproxy()
            if self._content is not None:
                await self._load(self._content, restarted)
                self._rounds += 1
                known = self.standing.split == digest(self._content.split)
                if not known or self._rounds % MAPS_EVERY == 0:
                    await self._correct_maps(self._content)
            if self._rounds % STATE_EVERY == 0:
                await self._state.save()
            self._standing_of(None)
        except HAProxyError as error:
            self.standing.split = None  # the next answer may be that of another process
            self._standing_of(str(error))

    def _read(self) -> None:
        try:
            content = self._files.changed()
        except (OSError, AgentConfigError) as error:
            why = f"{type(error).__name__}: {error}"
            if why != self.standing.files:
                logger.warning("the files of the operator cannot be used: %s", why)
            self.standing.files = why
            return
        if content is None:
            return
        self.standing.files = None
        self._content = content
        self._balancing.config = content.agent
        self._balancing.shares = read_split_map(content.split)

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
        self.standing.split = None
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
                self._worker = str(await reload(self._master, self._state))
            except RefusedError as error:
                logger.error("revision %s: %s", content.agent.revision, error)
                self.standing.refused = content.agent.revision
                return
            except HAProxyError:
                self._loaded = None  # tried again in the next round
                raise
            logger.info("revision %s is loaded", content.agent.revision)
            self.standing.split = None
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
            str(self._layout.split_map): parse_map_file(content.split),
            str(self._layout.retry_map): self._balancing.retry_entries(),
        }
        lacks = {path: await self._correct_map(path, wanted) for path, wanted in maps.items()}
        # What is not in the map has no share.
        in_force = all(value == "0" for value in lacks[str(self._layout.split_map)].values())
        self.standing.split = digest(content.split) if in_force else None

    async def _correct_map(self, path: str, wanted: Mapping[str, str]) -> Mapping[str, str]:
        """Sets its entries. Returns those that the map lacks: only a reload brings them."""
        has = parse_map(await self._runtime.ask(f"show map {path}"))
        entries = [(key, value) for key, value in wanted.items() if key in has and has[key] != value]
        await self._runtime.tell(set_map(path, key, value) for key, value in entries)
        return {key: value for key, value in wanted.items() if key not in has}

    def _standing_of(self, haproxy: str | None) -> None:
        if haproxy != self.standing.haproxy:
            logger.log(
                logging.WARNING if haproxy else logging.INFO,
                "HAProxy: %s",
                haproxy or "answers",
            )
        self.standing.haproxy = haproxy
