"""The gateway under real load: nothing that happens costs a request, but those in a pod that is killed."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.support import Site, eventually, pids_of_pod, rag
from tests.e2e.test_rollout import QUESTION, SERVICE
from tests.e2e.traffic import Traffic, traffic

NAMESPACE = "gateways"
NAME = "demo"
IN_FLIGHT = 4
"""Requests of the traffic at a time."""
BLUE_GREEN = {"strategy": "BlueGreen", "blueGreen": {"checkSeconds": 3, "scaleDownDelaySeconds": 10}}
CANARY = {
    "strategy": "Canary",
    "canary": {
        "steps": [{"weightPercent": 20, "pauseSeconds": 15}],
        "analysis": {"minRequests": 10, "maxResponseTimeIncreasePercent": 1000},
    },
}


def wanted(version: str = "1", replicas: int = 2, gateway: bool = True, **more: Any) -> dict[str, Any]:
    """A RAGDeployment of one service."""
    env = [{"name": "VERSION", "value": version}]
    service = {"name": SERVICE, "type": "Generation", "replicas": replicas, "env": env, **more}
    return rag(NAME, [service], gateway={"enabled": gateway})


def apply(site: Site, *arguments: Any, **fields: Any) -> None:
    """Changes the RAGDeployment and waits until all that follows from it has happened."""
    site.apply(NAMESPACE, wanted(*arguments, **fields))
    generation = site.get(NAMESPACE, "rag", NAME)["metadata"]["generation"]

    def settled() -> bool:
        status = site.status(NAMESPACE, NAME)
        seen = status.get("observedGeneration") == generation
        calm = site.condition(NAMESPACE, NAME, "Progressing").get("reason") == "Settled"
        return seen and calm and site.condition(NAMESPACE, NAME, "Ready").get("status") == "True"

    eventually(settled, 180, "the change has happened")


def pods(site: Site, service: str) -> list[dict[str, Any]]:
    """The pods of the service, or of the gateway, that are not on their way out."""
    selector = ("-l", f"ragops.dev/rag={NAME},ragops.dev/service={service}")
    return [p for p in site.get(NAMESPACE, "pods", *selector) if "deletionTimestamp" not in p["metadata"]]


def behind(site: Site) -> str:
    """Whose pods the stable Service selects."""
    selector: dict[str, str] = site.get(NAMESPACE, "service", f"{NAME}-{SERVICE}")["spec"]["selector"]
    return selector["ragops.dev/service"]


def all_ready(site: Site, service: str, count: int) -> bool:
    """So many pods, all of them ready."""
    found = pods(site, service)
    ready = [c["status"] for p in found for c in p["status"].get("conditions", ()) if c["type"] == "Ready"]
    return len(found) == count and ready == ["True"] * count


@pytest.fixture(scope="module")
def load(site: Site) -> Iterator[Traffic]:
    """Requests through the gateway, for all tests of this module."""
    site.apply(NAMESPACE, wanted())
    site.wait_ready(NAMESPACE, NAME, 180)
    eventually(lambda: behind(site) == "gateway", 60, "the requests go through the gateway")
    with traffic(site, NAMESPACE, f"{NAME}-{SERVICE}", "/v1/answer", QUESTION) as made:
        yield made


def failed(load: Traffic) -> int:
    """Requests that have failed so far, after some more that went well."""
    load.flows()
    counts = load.counts()
    print(counts)
    found: int = counts["failed"]
    return found


def test_a_rolling_update_fails_no_request(site: Site, load: Traffic) -> None:
    before = failed(load)
    apply(site, "2")
    assert failed(load) == before


def test_scaling_up_and_down_fails_no_request(site: Site, load: Traffic) -> None:
    before = failed(load)
    apply(site, "2", replicas=4)
    eventually(lambda: all_ready(site, SERVICE, 4), 90, "four pods")
    load.flows()
    apply(site, "2", replicas=2)
    eventually(lambda: all_ready(site, SERVICE, 2), 90, "two pods")
    assert failed(load) == before


def test_a_pod_that_is_killed_takes_only_its_own_requests_with_it(site: Site, load: Traffic) -> None:
    before = failed(load)
    victim = pods(site, SERVICE)[0]["metadata"]["uid"]
    for pid in pids_of_pod(victim):
        os.kill(pid, signal.SIGKILL)
    load.flows(100)
    eventually(lambda: all_ready(site, SERVICE, 2), 90, "it is back")
    assert failed(load) - before <= IN_FLIGHT


def test_a_gateway_pod_that_is_deleted_fails_no_request(site: Site, load: Traffic) -> None:
    before = failed(load)
    site.kubectl(
        "-n", NAMESPACE, "delete", "pod", pods(site, "gateway")[0]["metadata"]["name"], "--wait=false"
    )
    load.flows(200)
    eventually(lambda: all_ready(site, "gateway", 2), 90, "there is another one")
    assert failed(load) == before


def test_an_agent_that_is_killed_fails_no_request(site: Site, load: Traffic) -> None:
    before = failed(load)
    for pid in _processes(site, b"gateway-agent"):
        os.kill(pid, signal.SIGKILL)
    load.flows(100)
    assert failed(load) == before


def test_a_gateway_that_is_killed_takes_only_its_own_requests_with_it(site: Site, load: Traffic) -> None:
    before = failed(load)
    for pid in _processes(site, b"haproxy"):
        os.kill(pid, signal.SIGKILL)
    load.flows(200)
    eventually(lambda: all_ready(site, "gateway", 2), 90, "it is back")
    assert failed(load) - before <= IN_FLIGHT


def test_a_blue_green_switch_fails_no_request(site: Site, load: Traffic) -> None:
    before = failed(load)
    apply(site, "3", rollout=BLUE_GREEN)
    assert behind(site) == "gateway"
    assert failed(load) == before


def test_a_canary_gets_its_share_by_weight(site: Site, load: Traffic) -> None:
    before = failed(load)
    site.apply(NAMESPACE, wanted("4", rollout=CANARY))

    def split() -> bool:
        data = site.get(NAMESPACE, "configmap", f"{NAME}-gateway")["data"]["split.map"]
        return f"{SERVICE} 20" in data

    eventually(split, 120, "the canary has its weight")
    apply(site, "4", rollout=CANARY)
    assert failed(load) == before


def test_switched_off_and_on_again_it_fails_no_request(site: Site, load: Traffic) -> None:
    before = failed(load)
    apply(site, "4", gateway=False)
    eventually(lambda: behind(site) == SERVICE, 30, "the requests go straight to the pods")
    eventually(lambda: not pods(site, "gateway"), 120, "the gateway is gone")
    load.flows()
    apply(site, "4", gateway=True)
    eventually(lambda: behind(site) == "gateway", 60, "the requests go through the gateway again")
    assert failed(load) == before


def _processes(site: Site, program: bytes) -> list[int]:
    """Of one gateway pod."""
    found = []
    for pid in pids_of_pod(pods(site, "gateway")[0]["metadata"]["uid"]):
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            if program in line.read():
                found.append(pid)
    assert found
    return found
