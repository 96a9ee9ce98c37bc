"""A DNS server with the addresses that a test gives it, as the cluster's has those of headless Services."""

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import IntEnum
from typing import Final, cast

TTL_SECONDS: Final = 5
A: Final = 1
IN: Final = 1
RESPONSE: Final = 0x8180
"""An answer, recursion wanted and available."""
QUESTION_NAME: Final = 0xC00C
"""A pointer to the name in the question."""


class Code(IntEnum):
    """How an answer ends."""

    GOOD = 0
    SERVER_FAILURE = 2
    NO_SUCH_NAME = 3
    REFUSED = 5


class Names(asyncio.DatagramProtocol):
    """Answers questions for A records: from the table, or NXDOMAIN."""

    def __init__(self) -> None:
        self.addresses: dict[str, Sequence[str]] = {}
        self.failure: Code | None = None
        """What every question is answered with instead."""
        self.silent = False
        self.asked = 0
        """Questions so far."""
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance: the event loop's own class has only the methods.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        if self._transport is not None and not self.silent:
            self._transport.sendto(self._answer(data), addr)

    def _answer(self, query: bytes) -> bytes:
        name, end = _name(query)
        (kind,) = struct.unpack_from("!H", query, end)
        found = self.addresses.get(name, ())
        code = self.failure or (Code.GOOD if found else Code.NO_SUCH_NAME)
        records = found if kind == A and code is Code.GOOD else ()
        header = struct.pack("!2sHHHHH", query[:2], RESPONSE | code, 1, len(records), 0, 0)
        return header + query[12 : end + 4] + b"".join(map(_record, records))


def _name(query: bytes) -> tuple[str, int]:
    """The name in the question, and where it ends."""
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


def _record(address: str) -> bytes:
    packed = ipaddress.IPv4Address(address).packed
    return struct.pack("!HHHIH", QUESTION_NAME, A, IN, TTL_SECONDS, len(packed)) + packed


@asynccontextmanager
async def serve_names() -> AsyncIterator[tuple[Names, int]]:
    """A server on 127.0.0.1, with its port."""
    loop = asyncio.get_running_loop()
    transport, names = await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    try:
        yield names, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()
