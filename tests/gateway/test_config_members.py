"""Which pods get requests: membership by DNS, HAProxy's own checks, and what a reload keeps."""

import asyncio
from dataclasses import dataclass

from tests.gateway.dns import Code
from tests.gateway.gateway import Gateway, health, make_rag, run_gateway, until
from tests.gateway.pods import run_pods


async def test_pods_come_and_go_without_a_reload(haproxy: str) -> None:
    """The headless Service lists other pods: the same process takes them in and out, down to none."""
    async with run_pods(3) as pods, run_gateway(haproxy, {"api": {}}) as gateway:
        addresses = [pod.address for pod in pods]
        process = await gateway.worker()
        for listed in (addresses[:1], addresses, addresses[1:2], []):
            gateway.list_pods("api", *listed)
            await gateway.wait_for("api", *listed)
        refused = await gateway.ask("api")
        assert (refused.status, refused.error) == (503, "unavailable")
        assert refused.headers["Retry-After"] == "1"
        assert await gateway.worker() == process


async def test_an_outage_of_the_dns_changes_nothing(haproxy: str) -> None:
    """No answer, or a failure, says nothing about pods. When names come back, so do changes."""
    async with run_pods(2) as pods, run_gateway(haproxy, {"api": {}}) as gateway:
        addresses = [pod.address for pod in pods]
        gateway.list_pods("api", *addresses)
        await gateway.wait_for("api", *addresses)
        for failure in (Code.SERVER_FAILURE, Code.REFUSED, None):
            gateway.names.failure, gateway.names.silent = failure, failure is None
            enough = gateway.names.asked + 5

            async def asked(enough: int = enough) -> bool:
                return gateway.names.asked >= enough

            await until(asked, "questions without an answer")
            assert await gateway.up("api") == set(addresses)
        gateway.names.silent = False
        gateway.list_pods("api", addresses[0])
        await gateway.wait_for("api", addresses[0])


async def test_200_pods_fit_into_the_answer(haproxy: str) -> None:
    """The largest pool there may be, in one datagram."""
    service = {"autoscaling": {"maxReplicas": 200}}
    async with run_gateway(haproxy, {"api": service}) as gateway:
        listed = [f"127.200.0.{number}" for number in range(1, 201)]
        gateway.list_pods("api", *listed)

        async def resolved() -> bool:
            state = await gateway.command("show servers state api.stable")
            return {line.split(" ")[4] for line in state.splitlines()[2:] if line} >= set(listed)

        await until(resolved, "200 addresses")


async def test_a_pod_that_is_not_ready_gets_nothing_until_it_is(haproxy: str) -> None:
    """HAProxy asks by itself, before DNS tells. What is under way in the pod goes on."""
    async with run_pods(2) as pods, run_gateway(haproxy, {"api": {}}) as gateway:
        good, bad = pods
        gateway.list_pods("api", good.address, bad.address)
        await gateway.wait_for("api", good.address, bad.address)
        bad.hold = good.hold = asyncio.Event()
        under_way = [asyncio.create_task(gateway.ask("api")) for _ in range(4)]

        async def spread() -> bool:
            return good.waiting + bad.waiting == 4 and bad.waiting > 0

        await until(spread, "requests under way")
        bad.ready = False
        await gateway.wait_for("api", good.address)
        good.hold.set()
        assert {answer.status for answer in await asyncio.gather(*under_way)} == {200}
        assert {(await gateway.ask("api")).pod for _ in range(6)} == {good.address}
        bad.ready = True
        await gateway.wait_for("api", good.address, bad.address)


@dataclass
class Load:
    """Clients that send one request after the other, which nobody may repeat for them."""

    gateway: Gateway
    stopped: bool = False
    answers: int = 0

    async def run(self) -> list[int]:
        statuses = []
        while not self.stopped:
            statuses.append((await self.gateway.ask("api", "POST", data=b"x")).status)
            self.answers += 1
        return statuses


async def test_a_reload_loses_no_request_and_no_weight(haproxy: str) -> None:
    """A change of the configuration under load, three times: clients keep their connections, pods their
    weights."""
    async with run_pods(2) as pods, run_gateway(haproxy, {"api": {}}) as gateway:
        addresses = [pod.address for pod in pods]
        gateway.list_pods("api", *addresses)
        await gateway.wait_for("api", *addresses)
        await gateway.command("set weight api.stable/pod1 37")
        load = Load(gateway)
        clients = [asyncio.create_task(load.run()) for _ in range(4)]
        for number in range(1, 4):
            gateway.rag = make_rag({"api": {"loadBalancing": {"queueTimeoutSeconds": number}}})
            gateway.write()
            await gateway.reload()
            enough = load.answers + 50

            async def served(enough: int = enough) -> bool:
                return load.answers >= enough or any(client.done() for client in clients)

            await until(served, "requests after the reload")
            assert await gateway.up("api") == set(addresses)
        load.stopped = True
        statuses = [status for client in clients for status in await client]
        assert set(statuses) == {200}
        assert (await gateway.command("get weight api.stable/pod1")).startswith("37 (initial 100)")


async def test_a_process_that_stops_says_so(haproxy: str) -> None:
    """The kubelet's question fails, while a request that is under way gets its answer."""
    async with run_pods(1) as (pod,), run_gateway(haproxy, {"api": {}}) as gateway:
        gateway.list_pods("api", pod.address)
        await gateway.wait_for("api", pod.address)
        pod.hold = asyncio.Event()
        under_way = asyncio.create_task(gateway.ask("api"))

        async def waits() -> bool:
            return pod.waiting == 1

        await until(waits, "a request under way")
        gateway.stop_gently()

        async def stopped() -> bool:
            return await health(gateway) is None

        await until(stopped, "nobody listens")
        pod.hold.set()
        assert (await under_way).status == 200
