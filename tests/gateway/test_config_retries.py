"""What happens to a request that fails at one pod."""

import asyncio

import pytest

from tests.gateway.gateway import Gateway, run_gateway, until
from tests.gateway.pods import Pod, run_pods


async def serve(gateway: Gateway, *pods: Pod) -> None:
    """Takes the pods in."""
    addresses = [pod.address for pod in pods]
    gateway.list_pods("api", *addresses)
    await gateway.wait_for("api", *addresses)


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_an_idempotent_request_is_repeated_elsewhere(haproxy: str, status: int) -> None:
    """While the agent says that there is a budget for it. The log counts the retry."""
    async with run_pods(2) as (good, bad), run_gateway(haproxy, {"api": {}}) as gateway:
        await serve(gateway, good, bad)
        await gateway.retries_allowed("api")
        bad.status = status
        for method in ("GET", "PUT", "DELETE", "OPTIONS") * 3:
            answer = await gateway.ask(
                "api", method, data=b"body" if method == "PUT" else None, headers={"X-Request-Id": "same"}
            )
            assert (answer.status, answer.pod) == (200, good.address)
            assert answer.body["headers"]["X-Request-ID"] == "same"
        assert bad.requests > 0
        retries = [(await gateway.logged())[7] for _ in range(12)]
        assert retries.count("+1") == bad.requests
        assert set(retries) <= {"0", "+1"}


async def test_other_requests_are_not_repeated(haproxy: str) -> None:
    """The pod may have acted on them. Each gets to one pod only."""
    async with run_pods(2) as pods, run_gateway(haproxy, {"api": {}}) as gateway:
        await serve(gateway, *pods)
        await gateway.retries_allowed("api")
        for pod in pods:
            pod.status = 503
        for method in ("POST", "PATCH"):
            assert (await gateway.ask(method=method, service="api")).status == 503
        assert sum(pod.requests for pod in pods) == 2


async def test_without_a_budget_nothing_is_repeated(haproxy: str) -> None:
    """So it is at the start, until the agent has said otherwise, and again when it takes it back."""
    async with run_pods(1) as (bad,), run_gateway(haproxy, {"api": {}}) as gateway:
        await serve(gateway, bad)
        bad.status = 500
        assert (await gateway.ask("api")).status == 500
        assert bad.requests == 1
        await gateway.retries_allowed("api")
        assert (await gateway.ask("api")).status == 500
        assert bad.requests == 1 + 3
        await gateway.retries_allowed("api", False)
        assert (await gateway.ask("api")).status == 500
        assert bad.requests == 1 + 3 + 1


async def test_a_body_that_does_not_fit_is_not_repeated(haproxy: str) -> None:
    """HAProxy has only a part of it left."""
    async with run_pods(1) as (bad,), run_gateway(haproxy, {"api": {}}) as gateway:
        await serve(gateway, bad)
        bad.status = 500
        await gateway.retries_allowed("api")
        assert (await gateway.ask("api", "PUT", data=b"x" * 100_000)).status == 500
        assert bad.requests == 1
        assert (await gateway.ask("api", "PUT", data=b"x" * 1000)).status == 500
        assert bad.requests == 1 + 3


@pytest.mark.parametrize("attempts", [0, 1])
async def test_no_more_attempts_than_wanted(haproxy: str, attempts: int) -> None:
    """Whatever the budget."""
    services = {"api": {"loadBalancing": {"retries": {"attempts": attempts}}}}
    async with run_pods(1) as (bad,), run_gateway(haproxy, services) as gateway:
        await serve(gateway, bad)
        bad.status = 500
        await gateway.retries_allowed("api")
        assert (await gateway.ask("api")).status == 500
        assert bad.requests == 1 + attempts


async def test_a_pod_that_cannot_be_reached_costs_no_request(haproxy: str) -> None:
    """A pod is gone and DNS still lists it: even a POST goes elsewhere, and no budget is needed."""
    async with run_pods(1) as (good,), run_gateway(haproxy, {"api": {}}) as gateway:
        async with run_pods(1) as (gone,):
            await serve(gateway, good, gone)
        statuses = [(await gateway.ask("api", "POST", data=b"x")).status for _ in range(10)]
        assert set(statuses) == {200}
        assert "+1" in [(await gateway.logged())[7] for _ in statuses]


async def test_an_answer_that_takes_too_long_is_asked_for_elsewhere(haproxy: str) -> None:
    """Of an idempotent request; one that may not be repeated, and an event stream, have all the time there
    is."""
    services = {"api": {"loadBalancing": {"retries": {"answerTimeoutMs": 500}}}}
    async with run_pods(2) as (good, stuck), run_gateway(haproxy, services) as gateway:
        await serve(gateway, good, stuck)
        await gateway.retries_allowed("api")
        stuck.hold = asyncio.Event()
        answers = await asyncio.gather(*(gateway.ask("api") for _ in range(4)))
        assert {(answer.status, answer.pod) for answer in answers} == {(200, good.address)}
        assert stuck.requests > 0
        posts = [asyncio.create_task(gateway.ask("api", "POST")) for _ in range(4)]

        async def waits() -> bool:
            return stuck.waiting > 0

        await until(waits, "a POST in the stuck pod")
        stream = {"Accept": "text/event-stream"}
        answer = await gateway.ask("api", path="/stream?events=2&pause=1.5", headers=stream)
        assert answer.status == 200
        assert stuck.waiting > 0
        stuck.hold.set()
        assert {answer.status for answer in await asyncio.gather(*posts)} == {200}
