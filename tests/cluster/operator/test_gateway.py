"""The gateway's objects on a real API server: made, told of, repaired, taken away. Its pods are played."""

import json

from .audit import Audit
from .conftest import user
from .eventually import eventually
from .process import OperatorProcess
from .space import Object, Space, services

SERVICES = services("embeddings", "generation")
SETTLED_SECONDS = 12.0


def begin(space: Space) -> None:
    space.apply_rag(SERVICES, gateway={"enabled": True})
    space.await_ready()
    eventually(lambda: len(space.pods("gateway")) == 2, "the gateway has its pods")


def test_the_gateway_is_made_and_repaired(space: Space, operator: OperatorProcess, audit: Audit) -> None:
    """Nobody plays its agents, so the requests go straight to the pods."""
    begin(space)
    config = space.get("ConfigMap", "demo-gateway")
    assert set(config["data"]) == {"haproxy.cfg", "split.map", "retry.map", "agent.json"}
    assert space.get("Service", "demo-generation-headless")["spec"]["clusterIP"] == "None"
    selector = space.get("Service", "demo-generation")["spec"]["selector"]
    assert selector["ragops.dev/service"] == "generation"

    def told() -> bool:
        pods = space.pods("gateway")
        return all("ragops.dev/gateway-config" in p["metadata"].get("annotations", {}) for p in pods)

    eventually(told, "its kubelets are told of the content")
    audit.assert_no_writes(user(space), SETTLED_SECONDS)

    before = [p["metadata"]["annotations"]["ragops.dev/gateway-config"] for p in space.pods("gateway")]
    changed = [{**s, "loadBalancing": {"strategy": "RoundRobin"}} for s in SERVICES]
    space.apply_rag(changed, gateway={"enabled": True})

    def told_anew() -> bool:
        now = [p["metadata"]["annotations"]["ragops.dev/gateway-config"] for p in space.pods("gateway")]
        return len(set(now)) == 1 and not set(now) & set(before)

    eventually(told_anew, "they are told of the new one")
    assert "balance roundrobin" in space.get("ConfigMap", "demo-gateway")["data"]["haproxy.cfg"]
    assert len(space.pods("gateway")) == 2, "no pod was replaced for it"

    space.patch("ConfigMap", "demo-gateway", {"data": {"haproxy.cfg": "broken"}})
    eventually(
        lambda: space.get("ConfigMap", "demo-gateway")["data"]["haproxy.cfg"] != "broken", "it is repaired", 5
    )
    assert "Traceback" not in operator.log()


def test_switched_off_it_goes_when_nobody_can_use_it(space: Space, operator: OperatorProcess) -> None:
    begin(space)
    space.apply_rag(SERVICES, gateway={"enabled": False})

    def state() -> str | None:
        gateway: Object = space.get("RAGDeployment", "demo").get("status", {}).get("gateway") or {}
        return gateway.get("state")

    eventually(lambda: state() == "Draining", "it is draining")
    assert len(space.pods("gateway")) == 2
    eventually(lambda: state() is None, "it has ended", 90)
    names = [obj["metadata"]["name"] for obj in space.all_of("Deployment")]
    assert "demo-gateway" not in names
    assert json.dumps(space.all_of("ConfigMap")).count("haproxy.cfg") == 0
    assert operator.is_ready()
