"""Scaling and health while a new version is tried: what counts are the pods that get requests."""

from typing import Any

import pytest
from tests.unit.operator.rollout_world import CANDIDATE, OWN, RolloutWorld, generation
from tests.unit.operator.world import rag_of

from ragops.api.autoscaling import MetricType
from ragops.api.status import HealthState
from ragops.cluster.cache import Key, WatchCache
from ragops.controller.observe import checked, compared, targets
from ragops.resources.variant import Traffic, Variant, traffic_selector
from ragops.scaling.decision import Decision
from ragops.scaling.window import Sample, Window, reading

BLUE_GREEN: dict[str, Any] = {"strategy": "BlueGreen"}
AUTO = {"minReplicas": 2, "maxReplicas": 8}
KEY = Key("default", "demo")


def service(image: str = "v1") -> list[dict[str, Any]]:
    found = generation(image, rollout=BLUE_GREEN, autoscaling=AUTO)
    del found[0]["replicas"]
    return found


def at_rest() -> RolloutWorld:
    """Two replicas, by the scaler."""
    world = RolloutWorld(rag_of(service()))
    world.settle()
    world.settle()
    assert world.replicas(OWN) == 2
    world.capacity = 2
    return world


def ready(world: RolloutWorld) -> tuple[int, int]:
    """The replicas as the scaler sees them."""
    (record,) = world.last.records
    return record.replicas.wanted, record.replicas.ready


def test_ready_are_the_pods_that_the_service_selects() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Checking")
    assert len(world.running[CANDIDATE]) == 2
    world.step()
    assert ready(world) == (2, 2), "the candidate has no requests yet"
    assert world.service("generation").ready_replicas == 2
    world.until("Switched")
    world.running[OWN] = ["bad", "bad"]
    world.tick()
    world.step()
    assert ready(world) == (2, 2), "the old pods have none any more"
    assert world.service("generation").health.state is HealthState.HEALTHY
    assert world.service("generation").ready_replicas == 2


def test_the_candidate_grows_with_what_the_scaler_wants() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Switched")
    world.children[next(r for r in world.children if r.name == OWN and r.kind == "Deployment")]["spec"][
        "replicas"
    ] = 5
    world.step()
    assert world.replicas(CANDIDATE) == 5
    world.step()
    assert ready(world) == (5, 2), "three more are on their way"
    for _ in range(5):
        world.tick()
    world.step()
    assert ready(world) == (5, 5)
    world.capacity = 5
    world.until(None, limit=400)
    world.settle()
    assert world.running == {OWN: ["v2"] * 5}


def canary(**autoscaling: Any) -> RolloutWorld:
    """Two replicas, and one of a canary beside them, which has a share of the requests."""
    canary = {"steps": [{"weightPercent": 50}], "analysis": {"minRequests": 0}}
    rollout = {"strategy": "Canary", "canary": canary}
    fields = {"rollout": rollout, "autoscaling": {**AUTO, **autoscaling}}
    before, after = ([{**service(image)[0], **fields}] for image in ("v1", "v2"))
    world = RolloutWorld(rag_of(before))
    world.settle()
    world.settle()
    world.change(after)
    world.until("Shifting")
    world.step()
    return world


def use(world: RolloutWorld, cpu: float) -> Decision:
    """What comes of so much CPU, in per cent, in each pod that gets requests."""
    pods = len(world.serving())
    world.windows = {"generation": Window((Sample(world.now, {MetricType.CPU: reading([cpu] * pods)}),))}
    world.step()
    (record,) = world.last.records
    return record.decision


def test_the_pods_of_a_canary_are_not_those_of_the_scaler() -> None:
    world = canary()
    assert ready(world) == (2, 2)
    assert world.last.records[0].replicas.beside == 1
    assert world.service("generation").ready_replicas == 3


@pytest.mark.parametrize("mode", ["Step", "Proportional"])
def test_a_canary_that_shares_the_load_lets_no_pod_go(mode: str) -> None:
    """Nor does the calm of that time count for when it is over."""
    world = canary(mode=mode, stabilitySeconds=0, cooldownSeconds=0, metrics=[{"type": "CPU"}])
    own = next(obj for ref, obj in world.children.items() if (ref.kind, ref.name) == ("Deployment", OWN))
    own["spec"]["replicas"] = 3
    for _ in range(5):
        world.tick()
        decision = use(world, 5.0)
        assert (decision.desired, decision.action, decision.reason) == (3, "Hold", "Stabilizing")
        status = world.service("generation").scaling
        assert status is not None
        assert (status.stable_since, status.peaks) == (None, [])
    for _ in range(3):
        use(world, 5.0)
        assert world.last.status is None, "nothing has changed"


def pod(name: str, variant: str | None) -> dict[str, Any]:
    labels = {"ragops.dev/rag": "demo", "ragops.dev/service": "generation"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": name,
            "labels": {**labels, **({"ragops.dev/variant": variant} if variant else {})},
        },
        "spec": {"containers": [{"name": "main"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


@pytest.mark.parametrize(
    ("traffic", "names"),
    [
        (Traffic.STABLE, ["plain", "s"]),
        (Traffic.CANDIDATE, ["c"]),
        (Traffic.BOTH, ["c", "plain", "s"]),
        (None, ["plain", "s"]),
    ],
)
def test_sampled_are_the_pods_that_the_service_selects(traffic: Traffic | None, names: list[str]) -> None:
    """Idle ones would ask for fewer replicas."""
    rag = rag_of(service())
    cache = WatchCache()
    for one in (pod("s", "stable"), pod("c", "candidate"), pod("plain", None)):
        cache.put(one)
    if traffic is not None:
        owner = {"apiVersion": "ragops.dev/v1alpha1", "kind": "RAGDeployment", "name": "demo", "uid": "uid-1"}
        cache.put(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {
                    "name": OWN,
                    "namespace": "default",
                    "uid": "u",
                    "ownerReferences": [{**owner, "controller": True}],
                },
                "spec": {"selector": traffic_selector("demo", "generation", traffic)},
            }
        )
    (target,) = targets(cache, KEY, rag)
    assert sorted(one.name for one in target.pods()) == names
    # The operator's own check is of all: it decides whether a candidate may have requests at all.
    (asked,) = checked(cache, KEY, rag)
    assert sorted(one.name for one in asked.pods()) == ["c", "plain", "s"]


def test_canaries_are_measured_while_both_versions_have_requests() -> None:
    canary = {"steps": [{"weightPercent": 50}], "analysis": {"minRequests": 5}}
    rollout = {"strategy": "Canary", "canary": canary}
    world = RolloutWorld.at_rest(generation(rollout=rollout))
    world.change(generation("v2", rollout=rollout))
    cache = WatchCache()
    for one in (pod("s", "stable"), pod("c", "candidate")):
        cache.put(one)
    found = {}
    for _ in range(100):
        world.tick()
        world.step()
        measured = list(compared(cache, KEY, world.rag, world.rag.status))
        found[world.phase] = [(one.step, one.target.endpoint.port) for one in measured]
        for canary_now in measured:
            assert canary_now.revision == (world.rollout and world.rollout.revision)
            names = {variant: [p.name for p in canary_now.pods(variant)] for variant in Variant}
            assert names == {Variant.STABLE: ["s"], Variant.CANDIDATE: ["c"]}
    assert found == {"Starting": [], "Shifting": [(0, 8080)], "Paused": [(0, 8080)]}
