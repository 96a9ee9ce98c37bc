"""The agent beside a real HAProxy with real pods: faults, and what survives whose end."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import aiohttp

from ragops.gateway.naming import digest
from tests.gateway.agent import run_agent, run_clients
from tests.gateway.gateway import TIMEOUT_SECONDS, Gateway, run_gateway, start_haproxy, until
from tests.gateway.pods import Pod, run_pods

SERVICE = {"api": {"loadBalancing": {"retries": {"attempts": 0}}}}
SEEN = 200
"""Requests, of which each of four pods gets some."""


def ejected(pod: dict[str, Any]) -> bool:
    return pod["ejected"] is not None and pod["weight"] == 0


def in_use(pod: dict[str, Any]) -> bool:
    return pod["ejected"] is None and pod["weight"] > 1


async def listed(gateway: Gateway, pods: list[Pod]) -> list[str]:
    addresses = [pod.address for pod in pods]
    gateway.list_pods("api", *addresses)
    await gateway.wait_for("api", *addresses)
    return addresses


async def weights(gateway: Gateway) -> dict[str, int]:
    """By address, as HAProxy has them."""
    state = await gateway.command("show servers state api.stable")
    rows = [line.split(" ") for line in state.splitlines()[2:] if line]
    return {row[4]: int(row[7]) for row in rows if row[4] != "-"}


def read(path: PurePosixPath) -> str:
    return Path(path).read_text()


def replace_file(path: PurePosixPath, text: str) -> None:
    """As a mount does: in one step."""
    new = Path(f"{path}.tmp")
    new.write_text(text)
    os.replace(new, path)


async def test_a_failing_pod_gets_nothing_until_it_is_mended(haproxy: str) -> None:
    """At once, though HAProxy's own checks find it well; and it comes back by itself."""
    async with run_pods(4) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        async with run_agent(gateway) as agent, run_clients(gateway, "api") as clients:
            await clients.served(SEEN)
            pods[0].status = 500
            await agent.wait_for("api", addresses[0], ejected)
            assert clients.statuses.count(500) <= 8
            pods[0].status = 200
            await agent.wait_for("api", addresses[0], in_use)
            before = pods[0].requests
            await clients.served(SEEN)
            assert pods[0].requests > before
            assert set(clients.statuses) == {200, 500}
            shown = (await agent.pods("api"))[addresses[0]]
            assert shown["errors"] == clients.statuses.count(500)


async def test_what_fails_on_all_pods_ejects_none(haproxy: str) -> None:
    """All answer 500: traffic goes on to all, and that is told as panic."""
    async with run_pods(4) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        await listed(gateway, pods)
        async with run_agent(gateway) as agent, run_clients(gateway, "api") as clients:
            await clients.served(SEEN)
            for pod in pods:
                pod.status = 500

            async def panic() -> bool:
                return bool((await agent.variant("api"))["panic"])

            await until(panic, "panic")
            assert all(map(in_use, (await agent.pods("api")).values()))
            for pod in pods:
                pod.status = 200

            async def calm() -> bool:
                return not await panic()

            await until(calm, "no panic")


async def test_a_stuck_pod_gets_nothing_until_it_moves(haproxy: str) -> None:
    """Requests that never end are in no log; its checks are good."""
    async with run_pods(4) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        async with run_agent(gateway) as agent, run_clients(gateway, "api", count=8) as clients:
            await clients.served(SEEN)
            pods[0].hold = asyncio.Event()
            await agent.wait_for("api", addresses[0], ejected)
            assert pods[0].waiting <= 3
            pods[0].hold.set()
            await agent.wait_for("api", addresses[0], in_use)
            assert set(clients.statuses) == {200}


async def test_a_retried_failure_counts_against_the_pod_that_failed(haproxy: str) -> None:
    """The log tells only the pod that answered in the end."""
    service = {"api": {"loadBalancing": {"retries": {"attempts": 2}}}}
    async with run_pods(4) as pods, run_gateway(haproxy, service, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        async with run_agent(gateway) as agent, run_clients(gateway, "api") as clients:
            await clients.served(SEEN)
            pods[0].status = 500
            await agent.wait_for("api", addresses[0], ejected)
            assert set(clients.statuses) == {200}


async def test_traffic_goes_on_without_the_agent_and_the_next_one_takes_over(haproxy: str) -> None:
    """Killed while a pod is ejected: the weights stay, and the new agent brings the pod back."""
    async with run_pods(4) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        async with run_agent(gateway) as agent, run_clients(gateway, "api") as clients:
            await clients.served(SEEN)
            pods[0].status = 500
            await agent.wait_for("api", addresses[0], ejected)
            await agent.kill()
            failed, before = clients.statuses.count(500), await weights(gateway)
            await clients.served(SEEN)
            assert clients.statuses.count(500) == failed
            assert await weights(gateway) == before
            pods[0].status = 200
            await agent.start()
            await agent.wait_for("api", addresses[0], in_use)


async def test_a_new_configuration_is_loaded_without_a_failed_request(haproxy: str) -> None:
    """And the new process has the weights of the old one from its start."""
    async with run_pods(4) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        async with run_agent(gateway) as agent, run_clients(gateway, "api") as clients:
            await clients.served(SEEN)
            pods[0].status = 500
            await agent.wait_for("api", addresses[0], ejected)
            failed, worker = clients.statuses.count(500), await gateway.worker()
            pods[0].status = 200
            changed = read(gateway.layout.haproxy_config).replace("retries 0", "retries 1")
            replace_file(gateway.layout.haproxy_config, changed)

            async def reloaded() -> bool:
                return await gateway.worker() not in (None, worker)

            await until(reloaded, "a new worker")
            assert (await weights(gateway))[addresses[0]] < 100
            await clients.served(SEEN)
            assert clients.statuses.count(500) == failed
            assert set(clients.statuses) == {200, 500}
            await agent.wait_for("api", addresses[0], in_use)


async def test_a_refused_configuration_is_told_and_changes_nothing(haproxy: str) -> None:
    """It is tried once, and the next one is taken."""
    async with run_pods(1) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        await listed(gateway, pods)
        async with run_agent(gateway) as agent:
            worker, good = await gateway.worker(), read(gateway.layout.haproxy_config)
            agent_config = json.loads(read(gateway.layout.agent_config))
            replace_file(gateway.layout.haproxy_config, good + "\nnonsense\n")
            replace_file(gateway.layout.agent_config, json.dumps({**agent_config, "revision": "2"}))

            async def refused() -> bool:
                return bool((await agent.figures())["refusedRevision"] == "2")

            await until(refused, "the refusal")
            assert (await agent.figures())["revision"] == "1"
            assert await gateway.worker() == worker
            assert (await gateway.ask("api")).status == 200
            replace_file(gateway.layout.haproxy_config, good + "\n# better\n")

            async def taken() -> bool:
                figures = await agent.figures()
                return figures["refusedRevision"] is None and figures["revision"] == "2"

            await until(taken, "the next one")


async def test_the_share_of_a_candidate_is_set_without_a_reload(haproxy: str) -> None:
    """And is there again when HAProxy has been killed."""
    service = {"api": {"rollout": {"strategy": "BlueGreen"}}}
    async with run_pods(2) as (stable, candidate), run_gateway(haproxy, service, agent=True) as gateway:
        gateway.list_pods("api", stable.address)
        gateway.list_pods("api", candidate.address, candidate=True)
        await gateway.wait_for("api", stable.address)
        await gateway.wait_for("api", candidate.address, variant="candidate")
        async with run_agent(gateway) as agent:
            worker = await gateway.worker()
            assert (await agent.figures())["split"] == digest("api 0\n")
            replace_file(gateway.layout.split_map, "api 100\n")

            async def told() -> bool:
                return bool((await agent.figures())["split"] == digest("api 100\n"))

            await until(told, "the new share is in force")
            assert (await gateway.ask("api")).pod == candidate.address
            assert await gateway.worker() == worker
            assert (await agent.variant("api", "candidate"))["requests"] >= 0


async def test_haproxy_may_be_killed(haproxy: str) -> None:
    """The next one gets the weights that the last one had."""
    async with run_pods(4) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        async with run_agent(gateway) as agent, run_clients(gateway, "api") as clients:
            await clients.served(SEEN)
            pods[0].status = 500
            await agent.wait_for("api", addresses[0], ejected)
            await _state_is_saved(gateway, addresses, weight=0)
            await agent.kill()
        await _kill_all(gateway)
        await start_haproxy(haproxy, gateway)
        assert (await weights(gateway))[addresses[0]] <= 1
        async with run_agent(gateway) as agent, run_clients(gateway, "api"):
            await agent.wait_for("api", addresses[0], ejected)


async def test_the_agent_stands_in_until_the_next_haproxy_has_servers(haproxy: str) -> None:
    """Requests without a pause, from the end of one HAProxy until well after the next: with a recent state of
    the servers and no DNS, and without any such state until DNS answers."""
    async with run_pods(2) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        _listen_as_in_a_pod(gateway)
        async with run_agent(gateway) as agent:
            for address in addresses:
                await agent.wait_for("api", address, lambda pod: bool(pod["up"]))
            await _state_is_saved(gateway, addresses)
            for state in (True, False):
                for pod in pods:
                    pod.requests = 0
                await _kill_all(gateway)
                if not state:
                    os.unlink(gateway.layout.server_state)
                gateway.names.silent = True
                async with _unbroken(gateway) as statuses:
                    await _more(statuses, 50)
                    assert min(pod.requests for pod in pods) > 0, "both pods are asked"
                    await start_haproxy(haproxy, gateway)
                    await _more(statuses, 50)
                    gateway.names.silent = state
                    await gateway.wait_for("api", *addresses)

                    async def counted() -> bool:
                        """By HAProxy: requests go through it again."""
                        rows = (await gateway.command("show stat -1 1 -1")).splitlines()
                        (row,) = [row for row in rows if row.startswith("api,FRONTEND")]
                        return int(row.split(",")[7]) >= 200

                    await until(counted, "requests through HAProxy")
                assert set(statuses) == {200}


async def test_connections_that_were_passed_through_end_when_haproxy_is_back(haproxy: str) -> None:
    """Those that are idle: their clients come back through HAProxy."""
    async with run_pods(1) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        _listen_as_in_a_pod(gateway)
        async with run_agent(gateway) as agent:
            await agent.wait_for("api", addresses[0], lambda pod: bool(pod["up"]))
            await _kill_all(gateway)
            await until(lambda: _answered(gateway), "the agent takes the connections")
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.ports["api"])
            writer.write(b"GET / HTTP/1.1\r\nHost: api\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            await start_haproxy(haproxy, gateway)
            await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)
            writer.close()


def _listen_as_in_a_pod(gateway: Gateway) -> None:
    """Where the agent listens too, by default: on all addresses."""
    config = read(gateway.layout.haproxy_config)
    replace_file(gateway.layout.haproxy_config, config.replace("bind 127.0.0.1:", "bind *:"))


async def _answered(gateway: Gateway) -> bool:
    """Whether somebody takes a new connection, and answers with 200."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            async with session.get(gateway.url("api")) as answer:
                return answer.status == 200
        except aiohttp.ClientConnectorError:
            return False


@asynccontextmanager
async def _unbroken(gateway: Gateway) -> AsyncIterator[list[int]]:
    """The statuses of requests one after the other, from two clients, as long as the block runs. Each has a
    connection of its own, as kube-proxy would spread them."""
    statuses: list[int] = []

    async def ask() -> None:
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as session:
            while True:
                async with session.get(gateway.url("api")) as answer:
                    statuses.append(answer.status)

    await until(lambda: _answered(gateway), "the agent takes the connections")
    tasks = [asyncio.create_task(ask()) for _ in range(2)]
    try:
        yield statuses
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _more(statuses: list[int], count: int) -> None:
    wanted = len(statuses) + count

    async def enough() -> bool:
        return len(statuses) >= wanted

    await until(enough, f"{count} answers")


async def _state_is_saved(gateway: Gateway, addresses: list[str], weight: int | None = None) -> None:
    """Waits until the agent has saved these servers, all or one of them with this weight."""

    path = Path(gateway.layout.server_state)

    async def saved() -> bool:
        lines = path.read_text().splitlines()[2:] if path.exists() else []  # noqa: ASYNC240 - small
        rows = [line.split(" ") for line in lines if line]
        weights = {row[4]: int(row[7]) for row in rows}
        return set(addresses) <= set(weights) and (weight is None or weight in weights.values())

    await until(saved, "the state of the servers is saved")


async def _kill_all(gateway: Gateway) -> None:
    assert gateway.process is not None
    worker = await gateway.worker()
    gateway.process.send_signal(signal.SIGKILL)
    await gateway.process.wait()
    if worker is not None:
        os.kill(int(worker), signal.SIGKILL)


async def test_checks_that_fail_on_all_pods_do_not_stop_traffic(haproxy: str) -> None:
    """HAProxy alone would answer 503 by itself."""
    async with run_pods(3) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        await listed(gateway, pods)
        async with run_agent(gateway) as agent, run_clients(gateway, "api") as clients:
            await clients.served(SEEN)
            for pod in pods:
                pod.ready = False

            async def panic() -> bool:
                return bool((await agent.variant("api"))["panic"])

            await until(panic, "panic")
            await clients.served(4 * SEEN)

            async def served() -> bool:
                return set(clients.statuses[-SEEN:]) == {200}

            await until(served, "answers without a 503")


async def test_metrics_and_figures(haproxy: str) -> None:
    """Each request is counted once, in both."""
    async with run_pods(2) as pods, run_gateway(haproxy, SERVICE, agent=True) as gateway:
        addresses = await listed(gateway, pods)
        async with run_agent(gateway) as agent:
            for _ in range(20):
                assert (await gateway.ask("api")).status == 200

            async def counted() -> bool:
                (service,) = (await agent.figures())["services"]
                return bool(service["arrivals"] >= 20 and service["variants"][0]["requests"] == 20)

            await until(counted, "20 requests")
            figures = await agent.figures()
            assert figures["logLinesLost"] == 0
            assert figures["revision"] == "1"
            pods_figures = await agent.pods("api")
            assert sum(pod["requests"] for pod in pods_figures.values()) == 20
            assert {pod["port"] for pod in pods_figures.values()} == {8080}
            status, text = await agent.get("/metrics")
            assert status == 200
            assert f'ragops_gateway_requests_total{{pod="{addresses[0]}:8080",service="api"' in text
            assert 'ragops_gateway_response_seconds_count{service="api",variant="stable"} 20.0' in text
