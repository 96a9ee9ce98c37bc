"""HAProxy's log, taken from a UDP socket: read in batches, and at once only when something went wrong."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Final

from ragops.gateway.logline import MAX_LINE, Line, parse

BUFFER_BYTES: Final = 4 << 20
"""Asked of the kernel, which may give less: some ten thousand lines."""
MAX_BATCH: Final = 20_000
"""Lines read at one time; the rest waits for the next."""
SO_MEMINFO: Final = 55
"""Linux: memory counters of a socket, 32 bits each; the last one counts what was dropped."""
_COUNTERS: Final = 9


class LogSocket:
    """One line a request. Nothing is read between two calls of `drain`: the kernel holds it."""

    def __init__(self, port: int) -> None:
        self._socket = _bound(port)
        self.foreign = 0
        """Datagrams that were no lines: HAProxy's own notices."""

    def drain(self) -> list[Line]:
        """The lines that have come."""
        lines = []
        receive = self._socket.recv
        for _ in range(MAX_BATCH):
            try:
                datagram = receive(MAX_LINE + 1)
            except BlockingIOError:
                break
            line = parse(datagram)
            if line is None:
                self.foreign += 1
            else:
                lines.append(line)
        return lines

    @property
    def dropped(self) -> int:
        """Lines that the kernel had no room for."""
        counters = self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 4 * _COUNTERS)
        dropped: int = struct.unpack(f"{_COUNTERS}I", counters)[-1]
        return dropped

    def close(self) -> None:
        """Gives the port back."""
        self._socket.close()


class AlarmSocket:
    """The lines of errors once more; that one has come is all that matters."""

    def __init__(self, port: int, ring: Callable[[], None]) -> None:
        self._socket = _bound(port)
        self._ring = ring
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _read(self) -> None:
        for _ in range(MAX_BATCH):
            try:
                self._socket.recv(1)
            except BlockingIOError:
                break
        self._ring()

    def close(self) -> None:
        """Gives the port back."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


def _bound(port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.setblocking(False)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    found.bind(("127.0.0.1", port))
    return found
