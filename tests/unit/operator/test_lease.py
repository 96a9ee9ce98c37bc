"""Leader election: one holder at a time, by each replica's own clock."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from typing import Any

import pytest

from ragops.cluster import lease
from ragops.cluster.errors import ConflictError, NotFoundError, NotLeaderError, UnavailableError
from ragops.cluster.lease import Alone, Elector, Lease

Json = dict[str, Any]
NAME = Lease("ragops-system", "ragops-leader")


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred times faster, in the same proportions."""
    monkeypatch.setattr(lease, "DURATION_SECONDS", 0.5)
    monkeypatch.setattr(lease, "DEADLINE_SECONDS", 0.35)
    monkeypatch.setattr(lease, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(lease, "LANDING_SECONDS", 0.1)


class Store:
    """An API server with one Lease, which can be slow or away."""

    def __init__(self) -> None:
        self.lease: Json | None = None
        self.delay = 0.0
        self.away = False
        self.writes: list[str] = []

    async def get(self, _namespace: str, _ref: object) -> Json:
        """The Lease."""
        if self.away:
            raise UnavailableError("Unreachable", "away")
        if self.lease is None:
            raise NotFoundError("NotFound", "no lease")
        return deepcopy(self.lease)

    async def create(self, _namespace: str, manifest: Json) -> None:
        """Makes the Lease."""
        if self.lease is not None:
            raise ConflictError("AlreadyExists", "there is one")
        self._store(manifest, 1)

    async def replace(self, _namespace: str, manifest: Json) -> Json:
        """Writes the Lease, if nobody else has since it was read."""
        assert self.lease is not None
        await asyncio.sleep(self.delay)
        version = self.lease["metadata"]["resourceVersion"]
        if manifest["metadata"]["resourceVersion"] != version:
            raise ConflictError("Conflict", "changed meanwhile")
        self._store(manifest, int(version) + 1)
        return self.lease

    def _store(self, manifest: Json, version: int) -> None:
        self.lease = deepcopy(
            {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(version)}}
        )
        self.writes.append(manifest["spec"]["holderIdentity"])

    @property
    def holder(self) -> str:
        """Who is written to hold it."""
        assert self.lease is not None
        identity: str = self.lease["spec"]["holderIdentity"]
        return identity


class Replica:
    """One elector, and what it was told."""

    def __init__(self, store: Store, name: str) -> None:
        self.told: list[bool] = []
        self.elector = Elector(store, NAME, name, self.told.append)  # type: ignore[arg-type]

    @property
    def leads(self) -> bool:
        """It may write now."""
        return self.elector.holds


@asynccontextmanager
async def running(*replicas: Replica) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The electors run; at the end they are stopped as at SIGTERM."""
    tasks = [asyncio.create_task(replica.elector.run()) for replica in replicas]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is under test knows nothing of events
            await asyncio.sleep(0.005)


async def test_a_free_lease_is_taken_and_given_back() -> None:
    store = Store()
    replica = Replica(store, "a")
    with pytest.raises(NotLeaderError):
        replica.elector.check()
    async with running(replica):
        await until(lambda: replica.leads)
        replica.elector.check()
        await until(lambda: len(store.writes) >= 3)
    assert store.holder == ""
    assert replica.told == [True]
    assert not replica.leads


async def test_a_second_replica_waits_until_the_lease_has_run_out() -> None:
    store = Store()
    first, second = Replica(store, "a"), Replica(store, "b")
    async with running(first) as (task,):
        await until(lambda: first.leads)
        async with running(second):
            await until(lambda: len(store.writes) >= 5)
            assert not second.leads
            # Killed: nothing is given back.
            first.elector._renewed = None
            task.cancel()
            await until(lambda: second.leads)
            assert not first.leads
            assert store.lease
            assert store.lease["spec"]["leaseTransitions"] == 1
            assert second.elector.resumed_from is not None
    assert second.told == [True]


async def test_a_leader_that_cannot_renew_stops_before_another_may_begin() -> None:
    store = Store()
    replica = Replica(store, "a")
    async with running(replica):
        await until(lambda: replica.leads)
        store.away = True
        await until(lambda: not replica.leads)
        with pytest.raises(NotLeaderError):
            replica.elector.check()
        await until(lambda: replica.told == [True, False])
        store.away = False
        await until(lambda: replica.told == [True, False, True])


async def test_a_lapse_during_a_slow_renewal_is_told() -> None:
    """While it lapsed, work was dropped: whoever keeps the queue must know."""
    store = Store()
    replica = Replica(store, "a")
    async with running(replica):
        await until(lambda: replica.leads)
        store.delay = 0.2  # each renewal succeeds, but its beginning counts
        await until(lambda: not replica.leads)
        store.delay = 0.0
        await until(lambda: replica.leads)
        assert replica.told[-1] is True
        assert len(replica.told) >= 2


async def test_of_two_that_find_it_free_one_wins() -> None:
    store = Store()
    store.lease = {"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": ""}}
    store.delay = 0.01
    replicas = [Replica(store, "a"), Replica(store, "b")]
    async with running(*replicas):
        await until(lambda: any(replica.leads for replica in replicas))
        await until(lambda: len(store.writes) >= 4)
        assert [replica.leads for replica in replicas].count(True) == 1


def test_without_an_election_the_only_replica_leads() -> None:
    Alone().check()
    assert Alone().holds


async def test_a_write_has_ended_before_another_replica_may_act() -> None:
    store = Store()
    replica = Replica(store, "a")
    async with running(replica):
        await until(lambda: replica.leads)
        renewed = replica.elector._renewed
        assert renewed is not None
        least = lease.LANDING_SECONDS
        while replica.leads and store.holder == "a":
            left = replica.elector.check()
            assert least < left
            assert time.monotonic() + left < (replica.elector._renewed or 0) + lease.DURATION_SECONDS
            store.away = True  # it is not renewed any more
            await asyncio.sleep(0.01)
    assert lease.DEADLINE_SECONDS + least < lease.DURATION_SECONDS


async def test_a_standby_takes_the_lease_as_soon_as_it_has_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at the next of its looks."""
    monkeypatch.setattr(lease, "RETRY_SECONDS", 0.4)
    monkeypatch.setattr(lease, "DEADLINE_SECONDS", 0.9)
    store = Store()
    spec = {"holderIdentity": "gone", "renewTime": None, "leaseDurationSeconds": 0.5}
    store.lease = {"metadata": {"resourceVersion": "1"}, "spec": spec}
    replica = Replica(store, "b")
    started = time.monotonic()
    async with running(replica):
        await until(lambda: replica.leads)
        assert 0.5 < time.monotonic() - started < 0.75
