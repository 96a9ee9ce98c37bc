"""HAProxy's two command lines: the runtime API of the worker, and the master's."""

import asyncio
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ragops.gateway.runtime import batches

TIMEOUT_SECONDS: Final = 2.0
MAX_ANSWER: Final = 16 << 20
"""Bytes. 32 services with two variants of 200 pods answer with 4 MB."""


class HAProxyError(Exception):
    """HAProxy cannot be asked, or does not understand."""


class CommandLine:
    """One of the sockets. Each question has its own connection, so that it reaches the present process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def ask(self, command: str) -> str:
        """The answer to a command, or to several joined by a semicolon. Raises HAProxyError."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._ask(command)
        except TimeoutError as error:
            raise HAProxyError(f"no answer in {TIMEOUT_SECONDS:.0f} s") from error
        except OSError as error:
            raise HAProxyError(f"{self._path.name}: {error.strerror or error}") from error

    async def tell(self, commands: Iterable[str]) -> None:
        """Runs commands that answer nothing. Raises HAProxyError, with what HAProxy had against them."""
        answers = [await self.ask(line) for line in batches(commands)]
        if complaint := " ".join(" ".join(answers).split()):
            raise HAProxyError(complaint[:200])

    async def _ask(self, command: str) -> str:
        loop = asyncio.get_running_loop()
        # Not a stream: that costs more than all the rest of a look.
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, str(self._path))
            await loop.sock_sendall(connection, command.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)  # the master would wait for more
            answer = bytearray()
            while part := await loop.sock_recv(connection, 1 << 18):
                answer += part
                if len(answer) > MAX_ANSWER:
                    raise HAProxyError(f"an answer of more than {MAX_ANSWER >> 20} MiB")
            return answer.decode("utf-8", "replace")


@dataclass(frozen=True)
class Processes:
    """The answer to the master's `show proc`."""

    worker: int | None
    """Process id of the worker that takes requests; None: there is none."""
    reloads: int
    failed: int
    """Reloads that were refused, of these."""


_MASTER: Final = re.compile(r"^\d+\s+master\s+(\d+)\s+\[failed:\s*(\d+)\]", re.MULTILINE)
_WORKER: Final = re.compile(r"^(\d+)\s+worker\s", re.MULTILINE)


def parse_processes(text: str) -> Processes:
    """Reads `show proc`. Raises HAProxyError."""
    master = _MASTER.search(text)
    if master is None:
        raise HAProxyError(f"not a list of processes: {text[:80].strip()!r}")
    current, _, _ = text.partition("# old workers")
    worker = _WORKER.search(current)
    return Processes(int(worker[1]) if worker else None, int(master[1]), int(master[2]))
