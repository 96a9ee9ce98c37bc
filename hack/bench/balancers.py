"""The balancers that the load-balancing benchmark compares: how each is configured and started."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.gateway import RETRIES, ours
from bench.pool import (
    BACKEND_PORT,
    Backend,
    Names,
    Played,
    await_port,
    free_port,
    running,
    tell,
    tool,
)
from ragops.api.rag import GatewaySpec
from ragops.gateway.config import THREADS

HAPROXY: Final = "haproxy"
SLOTS: Final = 13
"""Servers that plain HAProxy has room for: as many as ours."""


@dataclass(frozen=True)
class Balancer:
    """One column of the comparison."""

    name: str
    title: str
    start: Callable[[Names, Path], AbstractContextManager[Played]]


def plain_config(balance: str, port: int, dns_port: int) -> str:
    """HAProxy as one would set it up by hand, with the limits, checks and names that ours has."""
    return f"""\
global
    maxconn {GatewaySpec().max_connections}
    nbthread {THREADS}
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 600s
    timeout http-request 10s
    timeout http-keep-alive 120s
resolvers names
    nameserver bench 127.0.0.1:{dns_port}
    hold valid 1s
frontend service
    bind 127.0.0.1:{port}
    default_backend service
backend service
    balance {balance}
    option httpchk GET /ready
    default-server check inter 2s fastinter 1s downinter 1s fall 2 rise 1 resolvers names init-addr none
    server-template pod {SLOTS} service.bench.test:{BACKEND_PORT}
"""


def _plain(balance: str) -> Callable[[Names, Path], AbstractContextManager[Played]]:
    @contextmanager
    def start(names: Names, folder: Path) -> Iterator[Played]:
        port, file = free_port(), folder / "haproxy.cfg"
        file.write_text(plain_config(balance, port, names.port))
        with running((HAPROXY, "-W", "-db", "-f", file), folder / "haproxy.log") as process:
            await_port("127.0.0.1", port)
            yield Played((f"http://127.0.0.1:{port}/",), names.set, (process.pid,))

    return start


@contextmanager
def _peak_ewma(_: Names, folder: Path) -> Iterator[Played]:
    port, control = free_port(), free_port()

    def set_members(members: Sequence[Backend]) -> None:
        tell(f"http://127.0.0.1:{control}/", [member.host for member in members])

    command = (
        *(tool(), "peakewma", "--listen", f"127.0.0.1:{port}"),
        *("--control", f"127.0.0.1:{control}"),
    )
    with running(command, folder / "peakewma.log") as process:
        await_port("127.0.0.1", port)
        await_port("127.0.0.1", control)
        yield Played((f"http://127.0.0.1:{port}/",), set_members, (process.pid,))


@contextmanager
def _direct(names: Names, _: Path) -> Iterator[Played]:
    """No balancer: the load takes the servers in turns."""
    yield Played(tuple(f"http://{member.host}/" for member in names.members), names.set)


DIRECT: Final = Balancer("direct", "the backends themselves, in turns", _direct)
BALANCERS: Final = (
    Balancer("response-time", "ragops, `ResponseTime`", ours("ResponseTime")),
    Balancer("response-time-retries", "ragops, `ResponseTime` with retries", ours("ResponseTime", RETRIES)),
    Balancer("resource-usage", "ragops, `ResourceUsage`", ours("ResourceUsage")),
    Balancer("least-connections", "ragops, `LeastConnections`", ours("LeastConnections")),
    Balancer("round-robin", "ragops, `RoundRobin`", ours("RoundRobin")),
    Balancer("haproxy-roundrobin", "plain HAProxy, `roundrobin`", _plain("roundrobin")),
    Balancer("haproxy-leastconn", "plain HAProxy, `leastconn`", _plain("leastconn")),
    Balancer("haproxy-random", "plain HAProxy, `random(2)`", _plain("random(2)")),
    Balancer("peak-ewma", "peak-EWMA, power of two choices", _peak_ewma),
)
