"""The agent's upkeep of a HAProxy that answers as told: shares, state of servers, the operator's life."""

import json
import os
import socket
import time
from pathlib import Path, PurePosixPath

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from ragops.agent.balancing import Balancing
from ragops.agent.haproxy import CommandLine, HAProxyError
from ragops.agent.logs import LogSocket
from ragops.agent.reload import ServerState
from ragops.agent.run import Agent
from ragops.agent.upkeep import STATE_EVERY, Upkeep
from ragops.gateway.layout import Layout
from ragops.gateway.naming import digest
from ragops.gateway.runtime import PROXIES, STATE
from ragops.gateway.weights_pool import Rules

STATISTICS = "# pxname,svname,qcur,scur,wretr,wredis,status,check_status,req_tot,addr,uweight,\n"


class HAProxy(CommandLine):
    """Knows its maps, and nothing else."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.split = {"api": "0"}
        self.started = int(time.time()) + 60
        self.state = "1\n# columns\n4 api.stable 1 pod1 10.0.0.1 2 0 100 100 7 6 3 4 6 0\n"
        self.ends = False
        self.pid = 7
        self.refuses = False

    async def ask(self, command: str) -> str:
        if self.ends:
            raise HAProxyError("it has ended")
        if command == "show info":
            return f"Pid: {self.pid}\nStart_time_sec: {self.started}\nDroppedLogs: 0\n"
        if command == PROXIES:
            return STATISTICS
        if command == STATE:
            return self.state
        if command == f"show map {self.layout.split_map}":
            return "".join(f"0x1 {key} {value}\n" for key, value in self.split.items())
        if command.startswith(f"set map {self.layout.split_map} "):
            if self.refuses:
                return "entry not found.\n"
            *_, key, value = command.split()
            self.split[key] = value
            return "\n"
        assert command == f"show map {self.layout.retry_map}", command
        return "Unknown map identifier. Please use #<id> or <file>.\n"


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    folder = PurePosixPath(tmp_path)
    made = Layout(config=folder, run=folder, tls=folder, log_port=free_udp_port(), alarm_port=free_udp_port())
    service = {
        "name": "api",
        "strategy": "ResourceUsage",
        "port": 1,
        "retryBudgetPercent": 20,
        "usage": {"10.0.0.1": {"cpu": 0.5, "memory": None}},
    }
    Path(made.agent_config).write_text(json.dumps({"services": [service], "revision": "1"}))
    Path(made.haproxy_config).write_text("")
    Path(made.split_map).write_text("api 0\n")
    return made


def upkeep_of(haproxy: HAProxy) -> tuple[Upkeep, Balancing]:
    logs = LogSocket(haproxy.layout.log_port)
    balancing = Balancing(haproxy, logs, str(haproxy.layout.retry_map), Rules())
    logs.close()
    return Upkeep(haproxy.layout, haproxy, balancing), balancing


def tell(layout: Layout, split: str) -> None:
    new = Path(f"{layout.split_map}.new")
    new.write_text(split)
    os.replace(new, layout.split_map)


def saved(layout: Layout) -> tuple[str, int]:
    """The file of the servers' state, and what tells one file from another."""
    path = Path(layout.server_state)
    return (path.read_text(), path.stat().st_ino) if path.exists() else ("", 0)


async def test_the_split_is_told_once_haproxy_has_it(layout: Layout) -> None:
    haproxy = HAProxy(layout)
    upkeep, balancing = upkeep_of(haproxy)
    assert upkeep.standing.split is None
    await upkeep.round()
    assert upkeep.standing.split == digest("api 0\n")
    tell(layout, "api 25\n")
    haproxy.refuses = True
    await upkeep.round()
    assert upkeep.standing.split is None
    haproxy.refuses = False
    await upkeep.round()
    assert haproxy.split == {"api": "25"}
    assert upkeep.standing.split == digest("api 25\n")
    assert balancing.shares == {"api": 25}


async def test_the_split_of_another_haproxy_is_not_known_until_it_was_asked(layout: Layout) -> None:
    haproxy = HAProxy(layout)
    upkeep, _ = upkeep_of(haproxy)
    await upkeep.round()
    haproxy.ends = True
    await upkeep.round()
    assert upkeep.standing.split is None
    haproxy.ends, haproxy.refuses, haproxy.pid = False, True, 8
    haproxy.split = {"api": "7"}
    await upkeep.round()
    assert upkeep.standing.split is None
    haproxy.refuses = False
    await upkeep.round()
    assert upkeep.standing.split == digest("api 0\n")


async def test_a_share_that_the_map_has_no_place_for_is_not_in_force(layout: Layout) -> None:
    """Without any candidate in its configuration HAProxy has no such map, and no share is as good as 0."""
    haproxy = HAProxy(layout)
    haproxy.split = {}
    upkeep, _ = upkeep_of(haproxy)
    await upkeep.round()
    assert upkeep.standing.split == digest("api 0\n")
    tell(layout, "api 25\n")
    await upkeep.round()
    assert upkeep.standing.split is None


async def test_the_state_of_the_servers_is_kept_and_written_when_it_has_changed(layout: Layout) -> None:
    haproxy = HAProxy(layout)
    upkeep, _ = upkeep_of(haproxy)
    for _ in range(STATE_EVERY):
        await upkeep.round()
    assert saved(layout)[0] == haproxy.state
    before = saved(layout)
    haproxy.state = haproxy.state.replace(" 100 100 7 ", " 100 100 10 ")
    for _ in range(STATE_EVERY):
        await upkeep.round()
    assert saved(layout) == before
    haproxy.state = haproxy.state.replace("10.0.0.1", "10.0.0.2")
    for _ in range(STATE_EVERY):
        await upkeep.round()
    assert saved(layout)[0] == haproxy.state


async def test_what_is_no_state_is_not_written(layout: Layout) -> None:
    haproxy = HAProxy(layout)
    haproxy.state = "Unknown command\n"
    with pytest.raises(HAProxyError):
        await ServerState(haproxy, Path(layout.server_state)).save()
    assert saved(layout) == ("", 0)


async def test_who_asks_for_the_figures_is_the_operator(layout: Layout) -> None:
    """Its question is the sign of life that usage needs; a scrape of the metrics is none."""
    agent = Agent(layout)
    try:
        began = agent.balancing.asked_at
        async with TestClient(TestServer(agent.application(CollectorRegistry()))) as client:
            assert (await client.get("/metrics")).status == 200
            assert agent.balancing.asked_at == began
            answer = await client.get("/v1/figures")
            assert (await answer.json())["split"] is None
            assert agent.balancing.asked_at > began
    finally:
        agent.close()


async def test_usage_is_as_old_as_the_silence_of_the_operator(layout: Layout) -> None:
    haproxy = HAProxy(layout)
    upkeep, balancing = upkeep_of(haproxy)
    await upkeep.round()
    assert balancing.config is not None
    service = balancing.config.services["api"]
    sample = balancing.sample(service, balancing.asked_at + 121)
    assert sample is not None
    assert sample.silent == pytest.approx(121)
