"""What a new leader begins with, and how one ends that leads no more."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ragops.cluster.cache import RAG_KIND, Key
from ragops.cluster.errors import NotLeaderError, UnavailableError
from ragops.controller import run
from ragops.controller.reconcile import Done
from ragops.controller.run import Operator
from ragops.controller.settings import from_environment

KEY = Key("default", "demo")
SETTINGS = from_environment(
    {
        "RAGOPS_IMAGE_SERVICES": "services:1",
        "RAGOPS_IMAGE_POSTGRES": "postgres:1",
        "RAGOPS_IMAGE_HAPROXY": "test/haproxy:1",
        "RAGOPS_IMAGE_OPERATOR": "test/operator:1",
        "RAGOPS_LEADER_ELECT": "false",
    }
)


class Listed:
    """A cluster with one RAGDeployment, each list of which is newer."""

    def __init__(self) -> None:
        self.fence = lambda: 1.0
        self.answers = asyncio.Event()
        self.answers.set()
        self.away = 0
        self.version = 0

    async def list(
        self, api_version: str, kind: str, _namespace: str | None, _selector: str | None
    ) -> tuple[list[dict[str, Any]], str]:
        """Nothing but the RAGDeployment, once it answers."""
        await self.answers.wait()
        if self.away:
            self.away -= 1
            raise UnavailableError("Unreachable", "away")
        if (api_version, kind) != RAG_KIND[:2]:
            return [], "0"
        self.version += 1
        version = str(self.version)
        metadata = {"name": "demo", "namespace": "default", "uid": "uid-1", "resourceVersion": version}
        return [{"apiVersion": api_version, "kind": kind, "metadata": metadata}], version


class Passes:
    """Counts passes in the place of the reconciler's."""

    def __init__(self, operator: Operator) -> None:
        self._cache = operator._cache
        self.versions: list[int] = []
        self.begun = asyncio.Event()
        operator._reconciler.reconcile = self._reconcile  # type: ignore[method-assign]

    async def _reconcile(self, key: Key) -> Done:
        found = self._cache.rag(key)
        assert found is not None
        self.versions.append(int(found["metadata"]["resourceVersion"]))
        self.begun.set()
        return Done()


@pytest.fixture
async def cluster() -> Listed:
    return Listed()


@pytest.fixture
async def operator(cluster: Listed) -> Operator:
    """In a process that has just begun."""
    made = Operator(SETTINGS, cluster, [], None)  # type: ignore[arg-type]
    await made._prime_first()
    return made


@pytest.fixture
async def passes(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Passes]:
    """Those of its workers."""
    monkeypatch.setattr(run, "PRIME_RETRY_SECONDS", 0.01)
    made = Passes(operator)
    tasks = [asyncio.create_task(job) for job in (operator._work(), operator._take_over())]
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_the_first_leader_begins_at_once(operator: Operator, cluster: Listed, passes: Passes) -> None:
    cluster.answers.clear()
    await _turns()
    passes.versions.clear()
    operator._leadership_changed(True)
    await _turns()
    assert passes.versions == [1]


async def test_a_new_leader_sees_first_what_the_one_before_did(
    operator: Operator, cluster: Listed, passes: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its watches may be behind: what it has not seen yet it would undo."""
    await _turns()
    passes.versions.clear()
    passes.begun.clear()
    monkeypatch.setattr(run, "FRESH_SECONDS", 0)
    cluster.answers.clear()
    cluster.away = 2
    operator._leadership_changed(True)
    operator._queue.add(KEY)  # by a watch
    await _turns()
    assert passes.versions == []
    cluster.answers.set()
    async with asyncio.timeout(5):
        await passes.begun.wait()
    assert set(passes.versions) == {2}


async def test_a_lease_that_is_lost_while_learning_is_stored_ends_nothing(operator: Operator) -> None:
    class Lost:
        async def remove_gone(self, _exists: object) -> None:
            raise NotLeaderError

    operator._checkpoints = Lost()  # type: ignore[assignment]
    operator._restored = True
    await operator._save_learned(0)


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
