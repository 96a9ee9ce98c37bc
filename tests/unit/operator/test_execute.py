"""What becomes of a plan when writes fail or the lease is lost. All else is tested on a real API server."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.operator.world import World, rag_of, six

from ragops.api.rag import ObjectMeta
from ragops.api.status import ScalingAction
from ragops.cluster.cache import Key, WatchCache
from ragops.cluster.errors import ClusterError, ConflictError, NotFoundError, NotLeaderError
from ragops.controller.execute import Executor
from ragops.orchestration.actions import Apply, Delete, Plan, Scale
from ragops.orchestration.observation import ApplyFailure
from ragops.resources.child import ChildRef, owner_reference, ref_of
from ragops.scaling.decision import Decision, ScalingReason

KEY = Key("default", "demo")
META = ObjectMeta(name="demo", namespace="default", uid="uid-1")


class Refusing:
    """A cluster that refuses the writes to some objects, and knows of none."""

    def __init__(self, *refused: str) -> None:
        self._refused = refused
        self.done: list[str] = []

    async def get(self, _namespace: str, ref: ChildRef) -> dict[str, Any]:
        """Nothing is there."""
        raise NotFoundError("NotFound", str(ref))

    async def create(self, _namespace: str, manifest: dict[str, Any]) -> None:
        """A Secret."""
        self._write(manifest["metadata"]["name"])

    async def apply(self, _namespace: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """A child."""
        self._write(manifest["metadata"]["name"])
        return manifest

    async def delete(self, _namespace: str, ref: ChildRef, _uid: str) -> None:
        """A child."""
        self._write(ref.name)

    def _write(self, name: str) -> None:
        if name in self._refused:
            raise ClusterError("Forbidden", f"{name} is forbidden")
        self.done.append(name)


class Lease:
    """Leadership that is lost after some writes."""

    holds = True
    resumed_from = None

    def __init__(self, writes: int = 1000) -> None:
        self._writes = writes

    def check(self) -> None:
        """Before every write."""
        self._writes -= 1
        if self._writes < 0:
            raise NotLeaderError


def first_plan() -> Plan:
    """The start of a system: the first two services."""
    return World(rag_of(six())).step()


async def test_what_is_refused_is_told_by_service_and_the_rest_is_done() -> None:
    cluster = Refusing("demo-generation")
    failures = await _executor(cluster).execute(KEY, META, first_plan())
    assert failures == {"generation": ApplyFailure("Forbidden", "demo-generation is forbidden")}
    assert set(cluster.done) == {
        "demo-vector-store-credentials",
        "demo-vector-store",
        "demo-vector-store-headless",
    }


async def test_without_its_password_a_database_is_not_made() -> None:
    cluster = Refusing("demo-vector-store-credentials")
    failures = await _executor(cluster).execute(KEY, META, first_plan())
    assert failures.keys() == {"vector-store"}
    assert set(cluster.done) == {"demo-generation"}


async def test_a_deletion_that_is_refused_does_not_stop_the_others() -> None:
    refs = [ChildRef("v1", "Service", name) for name in ("a", "b")]
    cluster = Refusing("a")
    plan = Plan(deletes=tuple(Delete(ref, "uid") for ref in refs))
    failures = await _executor(cluster).execute(KEY, META, plan)
    assert list(failures.values()) == [ApplyFailure("Forbidden", "a is forbidden")]
    assert cluster.done == ["b"]


@pytest.mark.parametrize("writes", range(4))
async def test_when_the_lease_is_lost_nothing_more_is_written(writes: int) -> None:
    """NotLeaderError by itself, not within a group of errors, which would count as a fault of ragops."""
    cluster = Refusing()
    with pytest.raises(NotLeaderError):
        await _executor(cluster, Lease(writes)).execute(KEY, META, first_plan())
    assert len(cluster.done) == writes


class Changing(Refusing):
    """A cluster in which others have changed a Deployment a number of times since it was seen last."""

    def __init__(self, changes: int, generation: int = 1, replicas: int = 2) -> None:
        super().__init__()
        self._generation, self._replicas = generation, replicas
        self._changes = changes
        self._version = 1

    async def get(self, _namespace: str, _ref: ChildRef) -> dict[str, Any]:
        """As it is; it is changed again right after."""
        found = seen(self._version, self._generation, self._replicas)
        self._changes -= 1
        self._version += self._changes > 0
        return found

    async def apply(self, namespace: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Refused unless it is of the present version."""
        self._check(manifest["metadata"]["resourceVersion"])
        return await super().apply(namespace, manifest)

    async def hand_over_replicas(
        self, _namespace: str, _ref: ChildRef, version: str, replicas: int
    ) -> dict[str, Any]:
        """It is a change like any other."""
        self._check(version)
        self.done.append(f"{replicas} handed over")
        self._version += 1
        return seen(self._version + 1)

    async def scale(self, _namespace: str, _ref: ChildRef, version: str, replicas: int) -> None:
        """Refused unless it is of the present version."""
        self._check(version)
        self.done.append(f"{replicas} replicas")

    def _check(self, version: str) -> None:
        if self._changes and int(version) != self._version + 1:
            raise ConflictError("Conflict", "the object has been modified")


def seen(version: int, generation: int = 1, replicas: int = 2) -> dict[str, Any]:
    """The Deployment of `generation` as stored."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "demo-generation",
            "namespace": "default",
            "uid": "uid-2",
            "resourceVersion": str(version),
            "generation": generation,
            "ownerReferences": [owner_reference(META)],
        },
        "spec": {"replicas": replicas},
    }


CHANGE = Apply("generation", seen(0), seen(1))
MORE = Scale("generation", ref_of(seen(1)), Decision(3, ScalingAction.UP, ScalingReason.PANIC, ""), seen(1))


@pytest.mark.parametrize(("changes", "done"), [(1, ["demo-generation"]), (3, ["demo-generation"]), (9, [])])
async def test_what_others_change_meanwhile_costs_another_attempt(changes: int, done: list[str]) -> None:
    """A write names the version that it is meant for: one that arrives late must not undo what came after."""
    cluster = Changing(changes)
    failures = await _executor(cluster).execute(KEY, META, Plan(applies=(CHANGE,)))
    assert cluster.done == done
    assert bool(failures) is not bool(done)


@pytest.mark.parametrize(
    ("plan", "told"),
    [(Plan(applies=(CHANGE,)), "generation"), (Plan(scales=(MORE,)), "generation")],
    ids=["apply", "scale"],
)
async def test_what_another_leader_has_changed_is_left_to_a_new_plan(plan: Plan, told: str) -> None:
    """The plan was made from what was there before: carried out, it would undo that change."""
    cluster, cache = Changing(1, generation=2, replicas=4), WatchCache()
    cache.put(seen(1))
    failures = await Executor(cluster, cache, Lease()).execute(KEY, META, plan)  # type: ignore[arg-type]
    assert cluster.done == []
    assert failures[told].reason == "Conflict"
    (known,) = cache.children(KEY, META.uid).values()
    assert known["metadata"]["generation"] == 2, "the next plan is made from it"


async def test_a_plan_rests_on_the_object_that_it_was_made_from() -> None:
    """And not on what the cache has learned since: the write is of the version in the plan."""
    cluster, cache = Changing(1, generation=2), WatchCache()
    cache.put(seen(2, generation=2))
    failures = await Executor(cluster, cache, Lease()).execute(KEY, META, Plan(applies=(CHANGE,)))  # type: ignore[arg-type]
    assert cluster.done == []
    assert failures.keys() == {"generation"}


async def test_what_does_not_touch_the_replicas_does_not_hold_up_scaling() -> None:
    cluster = Changing(1, generation=2)
    assert not await _executor(cluster).execute(KEY, META, Plan(scales=(MORE,)))
    assert cluster.done == ["3 replicas"]


async def test_an_apply_follows_the_handing_over_of_replicas() -> None:
    cluster = Changing(1)
    change = replace(CHANGE, hand_over_replicas=2)
    assert not await _executor(cluster).execute(KEY, META, Plan(applies=(change,)))
    assert cluster.done == ["2 handed over", "demo-generation"]
    cluster = Changing(1, generation=2)
    assert await _executor(cluster).execute(KEY, META, Plan(applies=(change,)))
    assert cluster.done == []


async def test_each_attempt_needs_the_lease() -> None:
    cluster = Changing(9)
    with pytest.raises(NotLeaderError):
        await _executor(cluster, Lease(2)).execute(KEY, META, Plan(applies=(CHANGE,)))
    assert cluster.done == []


def _executor(cluster: Refusing, lease: Lease | None = None) -> Executor:
    return Executor(cluster, WatchCache(), lease or Lease())  # type: ignore[arg-type]
