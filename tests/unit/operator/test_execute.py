"""What becomes of a plan when writes fail or the lease is lost. All else is tested on a real API server."""

from typing import Any

import pytest
from tests.unit.operator.world import World, rag_of, six

from ragops.api.rag import ObjectMeta
from ragops.cluster.cache import Key, WatchCache
from ragops.cluster.errors import ClusterError, NotFoundError, NotLeaderError
from ragops.controller.execute import Executor
from ragops.orchestration.actions import Delete, Plan
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


def _executor(cluster: Refusing, lease: Lease | None = None) -> Executor:
    return Executor(cluster, WatchCache(), lease or Lease())  # type: ignore[arg-type]
