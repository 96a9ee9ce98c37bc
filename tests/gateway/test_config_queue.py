"""How many requests get to a pod, wait, and come from one client."""

import asyncio

import pytest

from tests.gateway.gateway import Answer, Gateway, run_gateway, until
from tests.gateway.pods import Pod, run_pods


async def occupy(gateway: Gateway, pod: Pod, requests: int) -> list["asyncio.Task[Answer]"]:
    """Sends requests that all get to the pod and stay there."""
    gateway.list_pods("api", pod.address)
    await gateway.wait_for("api", pod.address)
    pod.hold = asyncio.Event()
    tasks = [asyncio.create_task(gateway.ask("api")) for _ in range(requests)]

    async def there() -> bool:
        return pod.waiting == requests

    await until(there, f"{requests} requests in the pod")
    return tasks


@pytest.mark.parametrize("waiting", [0, 2])
async def test_a_full_queue_answers_at_once(haproxy: str, waiting: int) -> None:
    """As many requests wait as may; one more is told to come back. The pod never has more than its limit."""
    balancing = {"maxConcurrent": 2, "maxQueue": waiting}
    async with run_pods(1) as (pod,), run_gateway(haproxy, {"api": {"loadBalancing": balancing}}) as gateway:
        taken = await occupy(gateway, pod, 2)
        taken += [asyncio.create_task(gateway.ask("api")) for _ in range(waiting)]

        async def queued() -> bool:
            return await queue_length(gateway) == waiting

        await until(queued, "requests in the queue")
        refused = await gateway.ask("api")
        assert (refused.status, refused.error) == (503, "queue_full")
        assert refused.headers["Retry-After"] == "1"
        assert pod.waiting == 2
        assert pod.hold is not None
        pod.hold.set()
        assert [(await task).status for task in taken] == [200] * (2 + waiting)
        assert (await gateway.ask("api")).status == 200


async def queue_length(gateway: Gateway) -> int:
    """Requests that wait."""
    lines = (await gateway.command("show stat api.stable 2 -1")).splitlines()
    return int(lines[1].split(",")[2])


async def test_a_request_waits_no_longer_than_it_may(haproxy: str) -> None:
    """Then it is told to come back, in the shape of all errors."""
    balancing = {"maxConcurrent": 1, "queueTimeoutSeconds": 1}
    async with run_pods(1) as (pod,), run_gateway(haproxy, {"api": {"loadBalancing": balancing}}) as gateway:
        (taken,) = await occupy(gateway, pod, 1)
        refused = await gateway.ask("api", headers={"X-Request-Id": "mine"})
        assert refused.status == 503
        assert refused.headers["Retry-After"] == "1"
        assert refused.body["error"]["code"] == "unavailable"
        assert refused.body["error"]["request_id"] == "mine"
        assert pod.hold is not None
        pod.hold.set()
        assert (await taken).status == 200


async def test_one_of_two_gateways_has_half_of_the_limits(haproxy: str) -> None:
    """Rounded up: 3 requests for a pod are 2 for each gateway, and one that waits in all is one in each."""
    balancing = {"maxConcurrent": 3, "maxQueue": 1}
    services = {"api": {"loadBalancing": balancing}}
    async with run_pods(1) as (pod,), run_gateway(haproxy, services, gateway={"replicas": 2}) as gateway:
        taken = await occupy(gateway, pod, 2)
        taken.append(asyncio.create_task(gateway.ask("api")))

        async def queued() -> bool:
            return await queue_length(gateway) == 1

        await until(queued, "the third one in the queue")
        assert (await gateway.ask("api")).error == "queue_full"
        assert pod.hold is not None
        pod.hold.set()
        assert [(await task).status for task in taken] == [200] * 3


async def test_a_client_that_has_gone_away_leaves_the_queue(haproxy: str) -> None:
    """Nobody waits for the answer: no pod works for it."""
    services = {"api": {"loadBalancing": {"maxConcurrent": 1, "queueTimeoutSeconds": 3600}}}
    async with run_pods(1) as (pod,), run_gateway(haproxy, services) as gateway:
        (taken,) = await occupy(gateway, pod, 1)
        waits = asyncio.create_task(gateway.ask("api"))

        async def length(wanted: int) -> bool:
            return await queue_length(gateway) == wanted

        await until(lambda: length(1), "a request in the queue")
        waits.cancel()
        await until(lambda: length(0), "an empty queue")
        assert pod.hold is not None
        pod.hold.set()
        assert (await taken).status == 200
        assert pod.requests == 1


async def test_a_client_has_its_share_of_requests(haproxy: str) -> None:
    """By a header's value; another value, or none, is another client."""
    limit = {"requestsPerSecond": 3, "by": "Header", "header": "X-Api-Key"}
    async with (
        run_pods(1) as (pod,),
        run_gateway(haproxy, {"api": {"loadBalancing": {"rateLimit": limit}}}) as gateway,
    ):
        gateway.list_pods("api", pod.address)
        await gateway.wait_for("api", pod.address)

        async def burst(**headers: str) -> list[Answer]:
            return list(await asyncio.gather(*(gateway.ask("api", headers=headers) for _ in range(9))))

        for headers in ({"X-Api-Key": "one"}, {"X-Api-Key": "two"}, {}):
            answers = await burst(**headers)
            refused = [answer for answer in answers if answer.status != 200]
            # The burst may reach into a second period.
            assert 3 <= len(refused) <= 6
            assert {(answer.status, answer.error) for answer in refused} == {(429, "rate_limited")}
            assert {answer.headers["Retry-After"] for answer in refused} == {"1"}


async def test_a_client_is_an_address_by_default(haproxy: str) -> None:
    """Whatever it sends along."""
    services = {"api": {"loadBalancing": {"rateLimit": {"requestsPerSecond": 2}}}}
    async with run_pods(1) as (pod,), run_gateway(haproxy, services) as gateway:
        gateway.list_pods("api", pod.address)
        await gateway.wait_for("api", pod.address)
        asked = (gateway.ask("api", headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(8))
        statuses = [answer.status for answer in await asyncio.gather(*asked)]
        assert 429 in statuses
        assert statuses.count(200) >= 2
