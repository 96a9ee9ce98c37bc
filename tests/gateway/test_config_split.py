"""How requests are shared between a service's own pods and those of a new version."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.gateway.gateway import Gateway, run_gateway
from tests.gateway.pods import Pod, run_pods


def canary(**sticky: str) -> dict[str, Any]:
    """A service with a canary."""
    steps = [{"weightPercent": 10}]
    return {"rollout": {"strategy": "Canary", "canary": {"steps": steps, **sticky}}}


@asynccontextmanager
async def two_versions(haproxy: str, share: int, **sticky: str) -> AsyncIterator[tuple[Gateway, Pod, Pod]]:
    """A service with a pod of each version."""
    async with (
        run_pods(2) as (old, new),
        run_gateway(haproxy, {"api": canary(**sticky)}, shares={"api": share}) as gateway,
    ):
        gateway.list_pods("api", old.address)
        gateway.list_pods("api", new.address, candidate=True)
        await gateway.wait_for("api", old.address)
        await gateway.wait_for("api", new.address, variant="candidate")
        yield gateway, old, new


async def test_the_share_is_that_of_the_map(haproxy: str) -> None:
    """At the start that of the file, then what the agent sets; 0 and 100 have no exceptions."""
    async with two_versions(haproxy, 30) as (gateway, old, new):
        for share, least, most in ((30, 70, 170), (0, 0, 0), (100, 400, 400)):
            if share != 30:
                await gateway.command(f"set map {gateway.layout.split_map} api {share}")
            pods = Counter([(await gateway.ask("api")).pod for _ in range(400)])
            assert least <= pods[new.address] <= most
            assert pods[old.address] + pods[new.address] == 400


async def test_a_version_without_pods_leaves_its_requests_to_the_other(haproxy: str) -> None:
    """In both directions, but a candidate with no share gets nothing: nobody has judged it good."""
    async with two_versions(haproxy, 100) as (gateway, old, new):
        gateway.list_pods("api", candidate=True)
        await gateway.wait_for("api", variant="candidate")
        assert (await gateway.ask("api")).pod == old.address
        gateway.list_pods("api", new.address, candidate=True)
        gateway.list_pods("api")
        await gateway.wait_for("api", new.address, variant="candidate")
        await gateway.wait_for("api")
        await gateway.command(f"set map {gateway.layout.split_map} api 1")
        assert {(await gateway.ask("api")).pod for _ in range(20)} == {new.address}
        await gateway.command(f"set map {gateway.layout.split_map} api 0")
        assert (await gateway.ask("api")).status == 503


async def test_a_header_decides_for_good(haproxy: str) -> None:
    """The same value, the same version; a growing share takes none away. Without the header it is chance."""
    async with two_versions(haproxy, 30, stickyHeader="X-User") as (gateway, old, new):
        users = [f"user-{number}" for number in range(150)]

        async def chosen() -> set[str]:
            asked = {user: (await gateway.ask("api", headers={"X-User": user})).pod for user in users}
            return {user for user, pod in asked.items() if pod == new.address}

        first = await chosen()
        assert 20 <= len(first) <= 75
        assert await chosen() == first
        await gateway.command(f"set map {gateway.layout.split_map} api 60")
        assert await chosen() > first
        for headers in ({}, {"X-User": ""}):
            asked = {(await gateway.ask("api", headers=headers)).pod for _ in range(40)}
            assert asked == {old.address, new.address}


async def test_a_cookie_decides_for_good(haproxy: str) -> None:
    """A client without one gets one, which keeps it at the version that it began with."""
    async with two_versions(haproxy, 50, stickyCookie="rag-version") as (gateway, old, new):
        seen = set()
        for _ in range(30):
            gateway.session.cookie_jar.clear()
            first = await gateway.ask("api")
            name, _, rest = first.headers["Set-Cookie"].partition("=")
            value = rest.partition(";")[0]
            assert name == "rag-version"
            assert "HttpOnly" in rest
            again = [await gateway.ask("api", headers={"Cookie": f"{name}={value}"}) for _ in range(4)]
            assert {answer.pod for answer in again} == {first.pod}
            assert all("Set-Cookie" not in answer.headers for answer in again)
            seen.add(first.pod)
        assert seen == {old.address, new.address}


@pytest.mark.parametrize("strategy", ["RollingUpdate", "BlueGreen"])
async def test_only_a_service_with_a_candidate_has_its_backend(haproxy: str, strategy: str) -> None:
    """Pods behind the candidate's name get nothing where no such rollout is wanted."""
    async with run_gateway(haproxy, {"api": {"rollout": {"strategy": strategy}}}) as gateway:
        backends = (await gateway.command("show backend")).split()
        assert ("api.candidate" in backends) == (strategy == "BlueGreen")
