"""Step scaling on the resource metrics API, which metrics-server serves from what the simulated pods use."""

import json
from datetime import datetime

from ..conftest import Cluster
from .audit import Audit
from .conftest import StartOperator, user
from .eventually import eventually
from .process import OperatorProcess
from .space import Object, Space, services

QUIET_SECONDS = 10.0
AUTO: Object = {
    "maxReplicas": 2,
    "sampleSeconds": 1,
    "stabilitySeconds": 3,
    "cooldownSeconds": 5,
    "metrics": [{"type": "CPU"}],
}


def test_up_on_load_and_down_after_quiet(space: Space, operator: OperatorProcess, audit: Audit) -> None:
    asks = {"requests": {"cpu": "100m"}}
    space.apply_rag(services("generation", generation={"autoscaling": AUTO, "resources": asks}))
    space.await_ready()
    space.use("generation", cpu="90m")
    eventually(lambda: space.replicas("generation") == 2, "one step up", 60)
    up = eventually(
        lambda: (s := space.service("generation")["scaling"]).get("lastScaleTime") and s, "it is recorded"
    )
    assert up["desired"] == 2
    assert operator.metric('ragops_scalings_total{action="Up",reason="AboveThreshold"}') == 1

    eventually(lambda: space.service("generation").get("readyReplicas") == 2, "2 pods are ready")
    space.use("generation", cpu="1m")
    eventually(lambda: space.replicas("generation") == 1, "one step down", 60)
    down = eventually(
        lambda: (s := space.service("generation")["scaling"])["lastScaleTime"] != up["lastScaleTime"] and s,
        "it is recorded",
    )
    between = _time(down["lastScaleTime"]) - _time(up["lastScaleTime"])
    assert between.total_seconds() >= AUTO["cooldownSeconds"]
    space.await_ready()
    assert space.replicas("generation") == 1
    # An Event follows the status that it tells of.
    eventually(lambda: _scaled(space) == ["ScaledDown", "ScaledUp"], "both are told")
    notes = [e["note"] for e in space.all_of("Event") if e["reason"] == "ScaledUp"]
    assert notes == ["generation: to 2, AboveThreshold: CPU 90.0 is above 70"]

    # Calm at last: a sample and a decision every second, and nothing to write.
    eventually(lambda: _is_calm(space), "the cooldown is over", 30)
    passes = _passes(operator)
    audit.assert_no_writes(user(space), QUIET_SECONDS)
    assert _passes(operator) >= passes + 5
    assert _scaled(space) == ["ScaledDown", "ScaledUp"]


def test_a_scaling_that_is_refused_is_not_recorded(
    space: Space, cluster: Cluster, start_operator: StartOperator
) -> None:
    """Else its cooldown would keep the next attempt from being made."""
    start_operator()
    space.apply_rag(services("generation", generation={"autoscaling": AUTO}))
    space.await_ready()
    role = ("patch", "role", "ragops-0-ragops", "--namespace", space.namespace, "--type=json")
    path = _rule_path(cluster, space, "deployments/scale")
    cluster.run(*role, f'--patch=[{{"op": "replace", "path": "{path}", "value": ["get"]}}]')
    space.apply_rag(services("generation", generation={"autoscaling": {**AUTO, "minReplicas": 2}}))
    eventually(lambda: space.condition("Accepted").get("observedGeneration") == 2, "the change is taken in")
    scaling = space.service("generation")["scaling"]
    assert (scaling["desired"], scaling.get("lastScaleTime")) == (1, None)
    assert not [e for e in space.all_of("Event") if e["reason"] == "ScaledUp"]

    cluster.run(*role, f'--patch=[{{"op": "replace", "path": "{path}", "value": ["patch"]}}]')
    eventually(lambda: space.replicas("generation") == 2, "it is tried again")
    eventually(lambda: space.service("generation")["scaling"].get("lastScaleTime"), "and recorded")


def _scaled(space: Space) -> list[str]:
    return sorted(e["reason"] for e in space.all_of("Event") if e["reason"].startswith("Scaled"))


def _is_calm(space: Space) -> bool:
    scaling = space.service("generation")["scaling"]
    return scaling["reason"] == "AtMinimum" and "cooldownUntil" not in scaling


def _passes(operator: OperatorProcess) -> float:
    return operator.metric('ragops_passes_total{outcome="done"}') or 0


def _rule_path(cluster: Cluster, space: Space, resource: str) -> str:
    """JSON pointer to the verbs for a resource in the operator's role."""
    text = cluster.run("get", "role", "ragops-0-ragops", "--namespace", space.namespace, "--output=json")
    rules = json.loads(text)["rules"]
    return f"/rules/{next(i for i, rule in enumerate(rules) if resource in rule['resources'])}/verbs"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
