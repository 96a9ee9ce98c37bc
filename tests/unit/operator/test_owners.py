"""Whoever else sets replicas: autoscalers of others are told and not fought; a rollout is none of them."""

from typing import Any

import pytest
from tests.unit.operator.world import World, rag_of, six

from ragops.api.autoscaling import MetricType
from ragops.api.status import ScalingAction
from ragops.cluster.cache import Key, WatchCache, prime
from ragops.controller.handlers import take_in
from ragops.orchestration.owners import foreign_scaler
from ragops.scaling.window import Sample, Window, reading

Json = dict[str, Any]
AUTO = {"maxReplicas": 3, "sampleSeconds": 5, "metrics": [{"type": "CPU"}]}
KEDA = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "queue", "uid": "1"}


def hpa(
    version: int = 1, name: str = "web", owners: tuple[Json, ...] = (), target: Json | None = None
) -> Json:
    """An HPA on the workload of the service `generation`."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "demo-generation", **(target or {})}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "namespace": "default",
            "name": name,
            "uid": name,
            "resourceVersion": str(version),
            "ownerReferences": list(owners),
            "annotations": {"long": "x" * 1000},
        },
        "spec": {"scaleTargetRef": reference, "maxReplicas": 10},
        "status": {"currentReplicas": 1},
    }


def running(**autoscaling: object) -> World:
    """A world in which generation, with autoscaling, is ready."""
    world = World(rag_of(six(generation={"autoscaling": {**AUTO, **autoscaling}})))
    world.step()
    world.make_ready("generation")
    world.step()
    return world


def use(world: World, *cpu: float | None) -> None:
    """What each ready pod of generation uses, per cent of its requests."""
    world.windows = {"generation": Window((Sample(world.now, {MetricType.CPU: reading(cpu)}),))}


def set_replicas(world: World, replicas: int) -> None:
    """Somebody else sets the replicas, and the pods become ready."""
    world.workload("generation")["spec"]["replicas"] = replicas
    world.make_ready("generation")


def test_an_hpa_is_told_and_not_fought() -> None:
    world = running()
    world.scalers = (foreign_scaler(hpa()),)
    for replicas in (1, 5):  # in need of more by our metrics; and above our maximum
        set_replicas(world, replicas)
        use(world, *[95.0] * replicas)
        assert not world.step().scales
        scaling = world.service("generation").scaling
        assert scaling is not None
        assert (scaling.desired, scaling.action) == (replicas, ScalingAction.HOLD)
        assert world.condition("ScalingLimited") == ("True", "OwnedByOthers")
    text = next(c.message for c in world.rag.status.conditions if c.type == "ScalingLimited")
    assert text.startswith("generation: HorizontalPodAutoscaler web changes the replicas")
    assert "delete it, or set autoscaling.mode to External" in text


def test_once_the_hpa_is_gone_scaling_goes_on_from_the_replicas_as_they_are() -> None:
    world = running()
    world.scalers = (foreign_scaler(hpa()),)
    set_replicas(world, 2)
    world.step()
    world.scalers = ()
    use(world, 50, 50)
    assert not world.step().scales
    assert world.condition("ScalingLimited") == ("False", "WithinBounds")
    use(world, 95, 95)
    assert [scale.decision.desired for scale in world.step().scales] == [3]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "demo-retrieval"},
        {"kind": "StatefulSet"},
        {"apiVersion": "apps.example.com/v1"},
    ],
    ids=["name", "kind", "group"],
)
def test_an_hpa_on_something_else_is_of_no_concern(other: Json) -> None:
    world = running()
    world.scalers = (foreign_scaler(hpa(target=other)),)
    use(world, 95)
    assert world.step().scales
    assert world.condition("ScalingLimited") == ("False", "WithinBounds")


def test_an_hpa_may_address_the_workload_by_any_version() -> None:
    world = running()
    world.scalers = (foreign_scaler(hpa(target={"apiVersion": "apps/v1beta2"})),)
    use(world, 95)
    assert not world.step().scales


def test_with_mode_external_an_hpa_is_welcome() -> None:
    world = running(mode="External")
    world.scalers = (foreign_scaler(hpa()),)
    set_replicas(world, 7)
    done = world.step()
    assert (done.scales, done.applies) == ((), ())
    assert world.workload("generation")["spec"]["replicas"] == 7
    assert world.condition("ScalingLimited") == ("False", "WithinBounds")
    assert world.service("generation").scaling is None


def test_keda_is_told_by_the_name_of_its_scaled_object() -> None:
    owned = hpa(name="keda-hpa-queue", owners=({**KEDA, "controller": True},))
    assert foreign_scaler(owned).name == "ScaledObject queue"
    other = hpa(owners=({**KEDA, "kind": "Application", "controller": True}, KEDA))
    assert foreign_scaler(other).name == "HorizontalPodAutoscaler web"


def test_a_service_at_its_maximum_beside_one_of_others_is_told_too() -> None:
    auto = {"autoscaling": {**AUTO, "maxReplicas": 1}}
    world = World(rag_of(six(generation=auto, embeddings=auto)))
    world.step()
    world.make_ready("generation", "vector-store")
    world.step()
    world.make_ready("embeddings")
    world.scalers = (foreign_scaler(hpa()),)
    busy = Window((Sample(world.now, {MetricType.CPU: reading([95])}),))
    world.windows = {"generation": busy, "embeddings": busy}
    world.step()
    condition = next(c for c in world.rag.status.conditions if c.type == "ScalingLimited")
    assert condition.reason == "OwnedByOthers"
    assert "generation: Horizontal" in condition.message
    assert "embeddings: CPU 95.0 is above 70; maxReplicas 1 is reached" in condition.message


def test_a_rolling_update_is_neither_a_person_nor_a_reason_to_scale() -> None:
    world = running()
    set_replicas(world, 2)
    use(world, 50, 50)
    world.step()
    changed = rag_of(six(generation={"autoscaling": AUTO, "image": "new:1"}))
    world.rag = changed.model_copy(update={"status": world.rag.status})
    assert world.step().applies
    counts = [(3, 1, 2), (3, 1, 1), (3, 2, 3), (2, 2, 1), (2, 2, 2)]  # a surge, a dip, one pod too many ready
    for total, updated, ready in counts:
        obj = world.workload("generation")
        obj["status"] = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": total,
            "updatedReplicas": updated,
            "readyReplicas": ready,
        }
        use(world, *[50.0] * (ready - 1), None)  # the newest pod has no measurement yet
        assert not world.step(seconds=5).scales
        assert world.condition("ScalingLimited") == ("False", "WithinBounds")
        scaling = world.service("generation").scaling
        assert scaling is not None
        assert scaling.desired == 2
    assert world.workload("generation")["spec"]["replicas"] == 2


def test_the_cache_keeps_little_of_an_hpa_and_forgets_it_as_any_object() -> None:
    cache = WatchCache()
    cache.put(hpa(2))
    cache.put(hpa(1, name="older", target={"kind": "StatefulSet"}))
    assert [s.name for s in cache.scalers("default")] == [
        f"HorizontalPodAutoscaler {n}" for n in ("older", "web")
    ]
    assert cache.scalers("other") == ()
    assert "x" * 100 not in repr(vars(cache))  # annotations and the like
    assert list(cache.rags()) == []
    cache.put(hpa(1, target={"kind": "ReplicaSet"}))  # of before
    assert {s.kind for s in cache.scalers("default")} == {"Deployment", "StatefulSet"}
    cache.remove(hpa(3))
    assert [s.name for s in cache.scalers("default")] == ["HorizontalPodAutoscaler older"]


def test_an_event_of_an_hpa_wakes_its_namespace_when_it_changes_what_is_scaled() -> None:
    cache = WatchCache()
    for namespace in ("default", "other"):
        metadata = {"namespace": namespace, "name": "demo", "uid": "1", "resourceVersion": "1"}
        rag = {"apiVersion": "ragops.dev/v1alpha1", "kind": "RAGDeployment", "metadata": metadata}
        assert list(take_in(cache, {"type": "ADDED", "object": rag})) == [Key(namespace, "demo")]
    ours = [Key("default", "demo")]
    assert list(take_in(cache, {"type": "ADDED", "object": hpa(1)})) == ours
    assert list(take_in(cache, {"type": "MODIFIED", "object": hpa(2)})) == []  # its status, every 15 s
    moved = hpa(3, target={"name": "demo-api"})
    assert list(take_in(cache, {"type": "MODIFIED", "object": moved})) == ours
    assert list(take_in(cache, {"type": "DELETED", "object": moved})) == ours


class Lists:
    """A cluster that can only list."""

    def __init__(self, *objects: Json) -> None:
        self._objects = objects

    async def list(
        self, _version: str, kind: str, _namespace: str | None, selector: str | None
    ) -> tuple[list[Json], str]:
        """HPAs of others, which have no label of ours."""
        return [obj for obj in self._objects if obj["kind"] == kind and selector is None], "10"


async def test_a_list_brings_hpas_and_ends_them() -> None:
    cache = WatchCache()
    assert await prime(cache, Lists(hpa()), []) == set()  # type: ignore[arg-type]
    assert len(cache.scalers("default")) == 1
    await prime(cache, Lists(), ["other"])  # type: ignore[arg-type]
    assert len(cache.scalers("default")) == 1
    await prime(cache, Lists(), ["default"])  # type: ignore[arg-type]
    assert cache.scalers("default") == ()
    assert cache.rag(Key("default", "")) is None
