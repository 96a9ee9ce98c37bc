"""The line that HAProxy logs of each request, one datagram each, and what it says of the server.

Fields: backend, server, milliseconds to the first byte (-1: none came), in all and in the queue, status,
termination state, retries. Source: HAProxy 2.6 Configuration Manual, 8.2.3 and 8.5.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MAX_LINE: Final = 512
"""Bytes. Names are at most 63 characters each; longer datagrams are not ours."""
CUT_OFF_MS: Final = 0.5
"""HAProxy tells whole milliseconds, rounded down: on average this much is missing."""
_NO_SERVER: Final = frozenset({"-", "<NOSRV>"})
_SERVER_CAUSES: Final = frozenset("SsPD")
"""First character of the termination state: the server closed, was too slow, sent what is no HTTP, or was
marked down under way."""
_SERVER_PHASES: Final = frozenset("CHD")
"""Second character: while connecting, before the headers, during the data. Q is the gateway's own queue."""


class Line(NamedTuple):
    """A request that has ended."""

    backend: str
    server: str | None
    """None: no server was tried, as when it waited in the queue too long."""
    first_byte_ms: int
    """-1: no answer began."""
    total_ms: int
    queued_ms: int
    status: int
    termination: str
    retries: int

    @property
    def failed(self) -> bool:
        """The server that was tried last has failed; not the gateway, and not the client."""
        if self.server is None or (self.status < 500 and self.termination == "--"):
            return False
        cause, phase = self.termination[0], self.termination[1]
        if cause in _SERVER_CAUSES:
            return phase in _SERVER_PHASES
        return cause == "-" and self.status >= 500

    @property
    def abandoned(self) -> bool:
        """The client left while the server had not answered."""
        return self.termination in ("CH", "cH", "CC") and self.server is not None

    @property
    def error(self) -> bool:
        """What the client saw was an error, whoever made it."""
        return self.status >= 500 or self.failed


def parse(datagram: bytes) -> Line | None:
    """The line of a datagram; None where it is something else."""
    if len(datagram) > MAX_LINE:
        return None
    try:
        backend, server, first, total, queued, status, termination, retries = datagram.decode("ascii").split()
        if len(termination) != 2:
            return None
        return Line(
            backend,
            None if server in _NO_SERVER else server,
            int(first),
            int(total),
            max(int(queued), 0),
            int(status),
            termination,
            int(retries),
        )
    except ValueError:  # also what is not ASCII
        return None


@dataclass(slots=True)
class Answers:
    """What one server did since the last look. Filled by `answers`, then only read."""

    seconds: list[float] = field(default_factory=list)
    """Of good answers, each one's time to the first byte."""
    failed: int = 0
    """Failed requests, and those that the gateway has repeated elsewhere."""
    abandoned: list[float] = field(default_factory=list)
    """Seconds after which a client left without an answer."""
    held: list[float] = field(default_factory=list)
    """Of all that have ended, each one's seconds at the server."""


Lines = Mapping[str, Mapping[str | None, Sequence[Line]]]
"""By backend and server."""


def grouped(lines: Iterable[Line]) -> Lines:
    """Lines by backend and server."""
    found: dict[str, dict[str | None, list[Line]]] = {}
    for line in lines:
        found.setdefault(line.backend, {}).setdefault(line.server, []).append(line)
    return found


def answers(lines: Iterable[Line]) -> Answers:
    """What these lines, all of one server, say of it."""
    found = Answers()
    for line in lines:
        held = (max(line.total_ms - line.queued_ms, 0) + CUT_OFF_MS) / 1000
        found.held.append(held)
        if line.failed:
            found.failed += 1
        elif line.abandoned:
            found.abandoned.append(held)
        elif line.first_byte_ms >= 0:
            found.seconds.append((line.first_byte_ms + CUT_OFF_MS) / 1000)
    return found
