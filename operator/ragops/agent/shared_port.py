"""A port that is shared with HAProxy: both listen, and the kernel is told who gets new connections.

By itself it would give each of them half, though HAProxy may have no servers yet, and would reset the
connections that wait for the one that closes.
"""

import ctypes
import socket
import struct
from contextlib import suppress
from typing import Final

BACKLOG: Final = 1024
SO_ATTACH_REUSEPORT_CBPF: Final = 51
"""Linux 4.5: a program tells the place of the socket, in the order of their bind. Source: socket(7)."""
_RETURN: Final = 0x06
"""BPF_RET | BPF_K: the whole program is `return <constant>`. Source: linux/bpf_common.h."""


class SharedPort:
    """One that this process was the first to listen on. It gets all connections until it hands over.

    The other one must listen on the same address: the kernel prefers the more exact one.
    """

    def __init__(self, host: str, port: int) -> None:
        """Raises OSError."""
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self.socket.setblocking(False)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self.socket.bind((host, port))
            self.socket.listen(BACKLOG)
            self.take_all()
        except OSError:
            self.socket.close()
            raise

    def take_all(self) -> None:
        """New connections come here."""
        self._all_to(0)

    def hand_over(self) -> None:
        """New connections go to whoever listens besides. Those that wait here are still to be taken."""
        self._all_to(1)

    def _all_to(self, place: int) -> None:
        """Where nobody is in this place, or no such program is known, the kernel chooses as ever."""
        code = struct.pack("HBBI", _RETURN, 0, 0, place)
        program = ctypes.create_string_buffer(code, len(code))
        with suppress(OSError):
            self.socket.setsockopt(
                socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, struct.pack("HP", 1, ctypes.addressof(program))
            )
