"""The servers of the load-balancing benchmark: real processes on loopback addresses, and their names.

Each lane has a network of its own, so that cells of the benchmark can run side by side.
"""

import json
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final
from urllib.request import Request, urlopen

import httpx
from cluster.binaries import programs

from ragops.resources.environment import HTTP_PORT

BACKEND_PORT: Final = HTTP_PORT
CONTROL_PORT: Final = 9001
START_SECONDS: Final = 20.0
END_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.02
WORK_HEADER: Final = "X-Work-Us"
_TTL: Final = 1
_TYPE_A: Final = 1


def tool() -> Path:
    """The program of hack/tools/balance."""
    return programs(["balance"])["balance"].path


@dataclass(frozen=True)
class Backend:
    """One process that serves."""

    ip: str

    @property
    def host(self) -> str:
        """Address and port of its service."""
        return f"{self.ip}:{BACKEND_PORT}"

    def set(self, faults: Mapping[str, float]) -> None:
        """From now on it has these faults, and no other."""
        tell(f"http://{self.ip}:{CONTROL_PORT}/faults", faults)

    def busy(self) -> Mapping[str, float]:
        """Seconds of work done, requests taken, and its capacity."""
        with urlopen(f"http://{self.ip}:{CONTROL_PORT}/busy", timeout=REQUEST_SECONDS) as answer:
            return dict(json.load(answer))


def tell(url: str, what: object) -> None:
    """Posts it as JSON to a control endpoint. Raises URLError."""
    # Not httpx.post: that takes 20 ms of CPU time for TLS that is not used, in the middle of a measurement.
    with urlopen(Request(url, json.dumps(what).encode()), timeout=REQUEST_SECONDS):
        pass


@dataclass(frozen=True)
class Played:
    """A balancer that runs."""

    urls: tuple[str, ...]
    """Where requests go; several: taken in turns."""
    set_members: Callable[[Sequence[Backend]], None]
    pids: tuple[int, ...] = ()

    def cpu_seconds(self) -> float:
        """Of all its processes so far."""
        return sum(map(cpu_seconds, self.pids))


@contextmanager
def backends(lane: int, capacities: Sequence[int], logs: Path) -> Iterator[list[Backend]]:
    """One for each capacity."""
    # A network for each process as well: somebody else may run cells at the same time.
    network = f"127.{32 + os.getpid() % 64}.{lane}"
    made = [Backend(f"{network}.{number}") for number in range(1, len(capacities) + 1)]
    with ExitStack() as open_until_the_end:
        for backend, capacity in zip(made, capacities, strict=True):
            command = ("backend", "--listen", backend.host, "--control", f"{backend.ip}:{CONTROL_PORT}")
            process = running((tool(), *command, "--capacity", capacity), logs / f"{backend.ip}.log")
            open_until_the_end.enter_context(process)
        for backend in made:
            await_port(backend.ip, CONTROL_PORT)
            await_port(backend.ip, BACKEND_PORT)
        yield made


@contextmanager
def running(
    command: Iterable[object], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended in the end. Raises RuntimeError, with its log, where it has ended by itself before."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **(environment or {})},
        )
        try:
            yield process
        finally:
            if process.poll() is not None:
                raise RuntimeError(f"{log.name} ends: {log.read_text()[-2000:]}")
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(END_SECONDS)


def await_port(ip: str, port: int) -> None:
    """Until it accepts. Raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as probe:
            probe.settimeout(REQUEST_SECONDS)
            if probe.connect_ex((ip, port)) == 0:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on {ip}:{port}")
        time.sleep(POLL_SECONDS)


def await_all_serve(urls: Sequence[str], members: Sequence[Backend]) -> None:
    """Until each member has got a request through the balancer at these URLs. Raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(timeout=REQUEST_SECONDS, headers={WORK_HEADER: "1"}) as client:
        while not all(member.busy()["requests"] for member in members):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all backends get requests through {urls[0]}")
            for _, url in zip(members, cycle(urls), strict=False):
                client.get(url)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that nothing listens on."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children so far, in user and kernel mode: /proc/<pid>/stat."""
    folder = Path("/proc") / str(pid)
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    # proc(5): utime and stime are the fields 14 and 15; state, the first one here, is field 3.
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = (folder / "task" / str(pid) / "children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)


class Names:
    """A DNS server that knows one name: whatever is asked for has the addresses of the members."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.members: tuple[Backend, ...] = ()
        """Whose addresses it tells."""
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Names":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # An empty datagram ends the thread: closing the socket would not wake it up.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def set(self, members: Sequence[Backend]) -> None:
        """From now on it tells the addresses of these."""
        self.members = tuple(members)

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(4096)
            if not query:
                return
            self._socket.sendto(answer(query, [member.ip for member in self.members]), client)


def answer(query: bytes, ips: Sequence[str]) -> bytes:
    """The answer to a DNS query of one question (RFC 1035, 4.1): these addresses if it asks for type A."""
    end = 12
    while query[end]:
        end += query[end] + 1
    end += 1
    (kind,) = struct.unpack_from("!H", query, end)
    found = ips if kind == _TYPE_A else ()
    # Response, authoritative, recursion as asked; one question, which the names of the records point at.
    flags = 0x8400 | (struct.unpack_from("!H", query, 2)[0] & 0x0100)
    header = query[:2] + struct.pack("!HHHHH", flags, 1, len(found), 0, 0)
    records = (struct.pack("!HHHIH", 0xC00C, _TYPE_A, 1, _TTL, 4) + socket.inet_aton(ip) for ip in found)
    return header + query[12 : end + 4] + b"".join(records)
