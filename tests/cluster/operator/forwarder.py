"""A way to the API server that can be cut: TCP connections of one operator go through here."""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final

_CHUNK: Final = 65536
_LOOK_SECONDS: Final = 0.05
_REQUEST_SECONDS: Final = 1.0
"""By then all of a request has come in, and its sender is still waiting for the answer."""
_RESET: Final = struct.pack("ii", 1, 0)


class Way(Enum):
    """What happens to bytes and connections."""

    OPEN = "open"
    REFUSED = "refused"
    """Connections are reset, and new ones refused."""
    DROPPED = "dropped"
    """Nothing comes through in either direction, and nobody is told."""
    HELD = "held"
    """What is sent to the API server is taken in, and delivered when the way is open again, but not that the
    sender has given up; its own answers and events come through."""


class Forwarder:
    """Listens on a port of this machine, and forwards to another one."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._ended = False
        self._way = Way.OPEN
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """Address for clients."""
        return f"https://127.0.0.1:{self.port}"

    def set(self, way: Way) -> None:
        """From now on."""
        if self._way is Way.DROPPED:
            self._reset_all()  # what was lost in the middle of a connection cannot be made up for
        self._way = way
        if way is Way.REFUSED:
            self._listener.close()
            self._reset_all()
        elif self._listener.fileno() == -1:
            self._listener = socket.create_server(("127.0.0.1", self.port))

    def end(self) -> None:
        """Closes everything."""
        self._ended = True
        self._listener.close()
        self._accepting.join()
        self._reset_all()

    def _reset_all(self) -> None:
        for near, far in self._pairs:
            for end in (near, far):
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    end.shutdown(socket.SHUT_RDWR)
                    end.close()
        self._pairs.clear()

    def _accept(self) -> None:
        while not self._ended:
            listener = self._listener
            try:
                if not select.select([listener], [], [], _LOOK_SECONDS)[0]:
                    continue
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
            except (OSError, ValueError):
                continue  # refused: closed until it is opened again
            self._pairs.append((near, far))
            for source, sink, outgoing in ((near, far, True), (far, near, False)):
                threading.Thread(target=self._pump, args=(source, sink, outgoing), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, outgoing: bool) -> None:
        """One direction of a connection, until it ends."""
        with contextlib.suppress(OSError, ValueError):
            while not self._ended:
                if not select.select([source], [], [], _LOOK_SECONDS)[0]:
                    continue
                data = source.recv(_CHUNK)
                if self._way is Way.HELD and outgoing:
                    sink.sendall(self._hold(source, data))
                    return
                if self._way is Way.DROPPED:
                    continue
                if not data:
                    break
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _hold(self, source: socket.socket, begun: bytes) -> bytes:
        """A request, when the way is not held any more."""
        request, until = begun, time.monotonic() + _REQUEST_SECONDS
        while self._way is Way.HELD and not self._ended:
            if time.monotonic() > until:
                time.sleep(_LOOK_SECONDS)
            elif select.select([source], [], [], _LOOK_SECONDS)[0]:
                request += source.recv(_CHUNK)
        return request


@contextmanager
def forwarding(port: int) -> Iterator[Forwarder]:
    """A way to a port of this machine."""
    forwarder = Forwarder(port)
    try:
        yield forwarder
    finally:
        forwarder.end()
