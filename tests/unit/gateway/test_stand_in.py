"""What the agent does in HAProxy's place: which pods it asks, when it ends, which connections it keeps."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.unit.gateway.pools import stat

from ragops.agent.passing import (
    BETWEEN_SECONDS,
    IDLE_SECONDS,
    LEFT_SECONDS,
    Passing,
    Stream,
    over,
)
from ragops.agent.route import Route
from ragops.agent.shared_port import SharedPort

STABLE, CANDIDATE = ["10.0.0.1:80"], ["10.0.1.1:80", "10.0.1.2:80"]


def asked(share: int, stable: list[str], candidate: list[str]) -> set[tuple[str, ...]]:
    route = Route("api", share, stable, candidate)
    orders = {tuple(pod for pods in route.order(draw) for pod in pods) for draw in range(100)}
    assert bool(route) == (orders != {()})
    return orders


def test_a_candidate_without_a_share_is_never_asked() -> None:
    """However many of its pods are good."""
    assert asked(0, STABLE, CANDIDATE) == {tuple(STABLE)}
    assert asked(0, [], CANDIDATE) == {()}


def test_the_share_chooses_and_the_other_variant_is_there_for_it() -> None:
    first_stable, first_candidate = (*STABLE, *CANDIDATE), (*CANDIDATE, *STABLE)
    assert asked(100, STABLE, CANDIDATE) == {first_candidate}
    assert asked(100, STABLE, []) == {tuple(STABLE)}
    assert asked(5, [], CANDIDATE) == {tuple(CANDIDATE)}
    assert asked(5, STABLE, CANDIDATE) == {first_stable, first_candidate}
    route = Route("api", 5, STABLE, CANDIDATE)
    assert sum(route.order(draw)[0] == CANDIDATE for draw in range(100)) == 5


def test_haproxy_has_servers_when_one_of_a_variant_with_a_share_is_up() -> None:
    down = {"pod1": stat(None), "pod2": stat(up=False), "pod3": stat(weight=0)}
    both = {"api.stable": down, "api.candidate": {"pod1": stat()}}
    assert not Route("api", 0, STABLE, CANDIDATE).served(both)
    assert Route("api", 5, STABLE, CANDIDATE).served(both)
    assert Route("api", 0, STABLE, CANDIDATE).served({"api.stable": {**down, "pod4": stat()}})
    assert not Route("docs", 0, STABLE, []).served(both)


@pytest.mark.parametrize(
    ("idle", "answered", "back", "ended"),
    [
        (IDLE_SECONDS - 1, True, None, False),
        (IDLE_SECONDS, True, None, True),
        (IDLE_SECONDS, False, None, True),
        (BETWEEN_SECONDS, True, 0.5, True),
        (BETWEEN_SECONDS - 0.1, True, 0.5, False),
        (BETWEEN_SECONDS, False, 0.5, False),
        (0, True, LEFT_SECONDS, True),
        (30, False, LEFT_SECONDS, True),
        (30, False, LEFT_SECONDS - 1, False),
    ],
)
def test_when_a_connection_ends(idle: float, answered: bool, back: float | None, ended: bool) -> None:
    """`back`: for how long there has been an HAProxy again."""
    now = 10_000.0
    assert over(now, now - idle, answered, None if back is None else now - back) is ended


@asynccontextmanager
async def streams() -> AsyncIterator[tuple[Stream, Stream]]:
    """Both ends of a connection."""
    ours, theirs = socket.socketpair()
    here, there = await asyncio.open_connection(sock=ours), await asyncio.open_connection(sock=theirs)
    try:
        yield here, there
    finally:
        here[1].close()
        there[1].close()


async def test_what_is_idle_ends_when_haproxy_is_back() -> None:
    back: float | None = None
    async with streams() as (client, ours), streams() as (pod, theirs):
        passing = asyncio.create_task(Passing(ours, theirs, lambda: back).run())
        client[1].write(b"question")
        assert await pod[0].readexactly(8) == b"question"
        pod[1].write(b"answer")
        assert await client[0].readexactly(6) == b"answer"
        back = asyncio.get_running_loop().time()
        await asyncio.wait_for(passing, 30)
        assert await client[0].read() == b""
        assert await pod[0].read() == b""


async def test_a_side_that_ends_may_still_be_answered() -> None:
    async with streams() as (client, ours), streams() as (pod, theirs):
        passing = asyncio.create_task(Passing(ours, theirs, lambda: None).run())
        client[1].write(b"question")
        client[1].write_eof()
        assert await pod[0].read() == b"question"
        pod[1].write(b"answer")
        pod[1].write_eof()
        assert await client[0].read() == b"answer"
        await asyncio.wait_for(passing, 30)


def taken(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_a_shared_port_has_all_connections_and_then_none() -> None:
    """The kernel alone would give each listener half of them."""
    port = SharedPort("127.0.0.1", 0)
    address = port.socket.getsockname()
    with port.socket, socket.socket() as haproxy:
        haproxy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        haproxy.setblocking(False)
        haproxy.bind(address)
        haproxy.listen(100)

        def connected() -> tuple[int, int]:
            for _ in range(40):
                socket.create_connection(address).close()
            return taken(port.socket), taken(haproxy)

        assert connected() == (40, 0)
        port.hand_over()
        assert connected() == (0, 40)
        port.take_all()
        assert connected() == (40, 0)
