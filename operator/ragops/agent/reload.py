"""A new configuration for HAProxy: the master starts a worker with it, and the old one ends its requests."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Final

from ragops.agent.haproxy import CommandLine, HAProxyError, Processes, parse_processes
from ragops.gateway.runtime import STATE, STATE_BEGINS, lasting_state

RELOAD_SECONDS: Final = 15.0
"""A worker with 200 servers each for 32 services needs two of them."""
LOOK_SECONDS: Final = 0.1


class RefusedError(Exception):
    """HAProxy does not take the configuration; the old one is still in force."""


class ServerState:
    """The file that HAProxy begins with: addresses, weights and checks of its servers."""

    def __init__(self, runtime: CommandLine, path: Path) -> None:
        self._runtime = runtime
        self._path = path
        self._saved: object = None

    async def save(self) -> None:
        """Writes what HAProxy has now, if that is something else. Raises HAProxyError."""
        text = await self._runtime.ask(STATE)
        if not text.startswith(STATE_BEGINS):
            raise HAProxyError(f"not the state of servers: {text[:80].strip()!r}")
        if (lasting := lasting_state(text)) != self._saved:
            _write(self._path, text)
            self._saved = lasting


async def reload(master: CommandLine, state: ServerState) -> int:
    """Loads the configuration anew. Returns the process id of the new worker.

    Addresses and weights of the servers are handed over in the file of `state`. Raises RefusedError, and
    HAProxyError where HAProxy cannot be asked; then it is not known what it did.
    """
    await state.save()
    before = parse_processes(await master.ask("show proc"))
    await master.ask("reload")
    after = await _reloaded(master, before)
    if after.failed > before.failed or after.worker is None:
        raise RefusedError("HAProxy refuses the configuration; its log says why")
    return after.worker


async def _reloaded(master: CommandLine, before: Processes) -> Processes:
    """Waits until the master counts one reload more. It closes its socket for a moment meanwhile."""
    try:
        async with asyncio.timeout(RELOAD_SECONDS):
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                with contextlib.suppress(HAProxyError):
                    processes = parse_processes(await master.ask("show proc"))
                    if processes.reloads > before.reloads:
                        return processes
    except TimeoutError as error:
        raise HAProxyError(f"not reloaded within {RELOAD_SECONDS:.0f} s") from error


def _write(path: Path, text: str) -> None:
    """In one step: HAProxy may start at any moment, and would read half a file."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)
