"""What becomes of a plan when writes fail or the lease is lost. All else is tested on a real API server."""

from typing import Any

import pytest
from tests.unit.operator.world import World, rag_of, six

from ragops.api.rag import ObjectMeta
from ragops.cluster.cache import Key, WatchCache
from ragops.cluster.errors import ClusterError, ConflictError, NotFoundError, NotLeaderError
from ragops.controller.execute import Executor
from ragops.orchestration.actions import Apply, Delete, Plan
from ragops.orchestration.observation import ApplyFailure
from ragops.resources.child import ChildRef

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

    def __init__(self, changes: int) -> None:
        super().__init__()
        self._changes = changes
        self._version = 1

    async def get(self, _namespace: str, _ref: ChildRef) -> dict[str, Any]:
        """As it is; it is changed again right after."""
        found = seen(self._version)
        self._changes -= 1
        self._version += self._changes > 0
        return found

    async def apply(self, namespace: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Refused unless it is of the present version."""
        if self._changes and int(manifest["metadata"]["resourceVersion"]) != self._version + 1:
            raise ConflictError("Conflict", "the object has been modified")
        return await super().apply(namespace, manifest)


def seen(version: int) -> dict[str, Any]:
    """The Deployment of `generation` as stored."""
    metadata = {"name": "demo-generation", "namespace": "default", "resourceVersion": str(version)}
    labels = {"ragops.dev/rag": "demo"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {**metadata, "labels": labels}}


@pytest.mark.parametrize(("changes", "done"), [(1, ["demo-generation"]), (3, ["demo-generation"]), (9, [])])
async def test_what_others_change_meanwhile_costs_another_attempt(changes: int, done: list[str]) -> None:
    """A write names the version that it is meant for: one that arrives late must not undo what came after."""
    cluster, cache = Changing(changes), WatchCache()
    cache.put(seen(1))
    change = Apply("generation", {**seen(0), "spec": {}}, exists=True)
    executor = Executor(cluster, cache, Lease())  # type: ignore[arg-type]
    failures = await executor.execute(KEY, META, Plan(applies=(change,)))
    assert cluster.done == done
    assert bool(failures) is not bool(done)


async def test_each_attempt_needs_the_lease() -> None:
    cluster, cache = Changing(9), WatchCache()
    cache.put(seen(1))
    change = Apply("generation", {**seen(0), "spec": {}}, exists=True)
    with pytest.raises(NotLeaderError):
        await Executor(cluster, cache, Lease(2)).execute(KEY, META, Plan(applies=(change,)))  # type: ignore[arg-type]
    assert cluster.done == []


def _executor(cluster: Refusing, lease: Lease | None = None) -> Executor:
    return Executor(cluster, WatchCache(), lease or Lease())  # type: ignore[arg-type]
