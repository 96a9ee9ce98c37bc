"""The end of the operator at any moment, a second replica, and an API server that goes away."""

import json
import os
import random
import signal
from datetime import UTC, datetime, timedelta

import pytest

from ..conftest import Cluster
from .audit import Audit
from .conftest import StartOperator, user
from .eventually import eventually
from .space import SIX, Space, services

SLOW = {name.replace("-", "_"): {"image": "test/slow:1"} for name in SIX}

SINGLE_CHILDREN = {
    *(("Deployment", f"demo-{name}") for name in SIX if name != "vector-store"),
    ("StatefulSet", "demo-vector-store"),
    *(("Service", f"demo-{name}") for name in SIX),
    ("Service", "demo-vector-store-headless"),
    *(("PodDisruptionBudget", f"demo-{name}") for name in SIX if name != "vector-store"),
}


@pytest.mark.parametrize("seed", range(3))
def test_killed_in_the_middle_of_a_start_it_completes(
    space: Space, start_operator: StartOperator, audit: Audit, seed: int
) -> None:
    """Killed after some number of writes, a few times over, each time between other requests."""
    moments = random.Random(seed)
    mark = audit.mark()
    process = start_operator()
    space.apply_rag(services(**SLOW))
    for _ in range(3):
        done = len(audit.writes(user(space), mark))
        further = moments.randint(1, 9)
        eventually(
            lambda done=done, further=further: (
                len(audit.writes(user(space), mark)) >= done + further
                or space.condition("Ready").get("status") == "True"
            ),
            "the start goes on",
        )
        process.kill()
        process = start_operator()
    space.await_ready()

    assert set(space.children()) == SINGLE_CHILDREN
    for name in SIX:
        status = space.service(name)
        assert status["state"] == "Ready"
        assert status["startup"]["startedAt"] <= status["startup"]["readyAt"]
        assert len(space.pods(name)) == 1
    assert all(len(v) == 1 for v in _replica_sets(space).values()), "no pod was made twice"
    assert [s["metadata"]["name"] for s in space.all_of("Secret")] == ["demo-vector-store-credentials"]


def test_a_change_made_while_it_was_down_is_carried_out(space: Space, start_operator: StartOperator) -> None:
    process = start_operator()
    space.apply_rag(services("embeddings", "generation"))
    space.await_ready()
    process.kill()
    space.apply_rag(services("generation", generation={"replicas": 2}))
    space.delete("Service", "demo-generation")
    start_operator()
    eventually(lambda: space.workload("embeddings") is None, "the removed service is gone")
    eventually(lambda: space.find("Service", "demo-generation"), "the deleted child is back")
    space.await_ready()
    assert space.replicas("generation") == 2


def test_sigterm_ends_it_soon_and_gives_the_lease_back(space: Space, start_operator: StartOperator) -> None:
    process = start_operator()
    space.apply_rag(services(generation={"image": "test/held:1"}))
    space.await_state("retrieval", "Ready")
    assert _holder(space) == "ragops-0"
    status, seconds = process.terminate()
    assert status == 0, process.log()
    assert seconds < 10
    assert _holder(space) == ""
    assert "Traceback" not in process.log()

    # Given back, the lease is free for another replica at once: it need not expire.
    before = datetime.now(UTC)
    start_operator("ragops-1")
    eventually(lambda: _holder(space) == "ragops-1", "the other replica has the lease", 8)
    assert datetime.now(UTC) - before < timedelta(seconds=8)


def test_a_standby_does_nothing_until_the_leader_is_gone(
    space: Space, start_operator: StartOperator, audit: Audit
) -> None:
    leader = start_operator("ragops-0")
    eventually(lambda: leader.metric("ragops_leader") == 1, "the first one leads")
    standby = start_operator("ragops-1")
    space.apply_rag(services())
    space.await_ready()
    assert standby.metric("ragops_leader") == 0
    assert audit.writes(user(space, "ragops-1")) == []

    leader.kill()
    died = datetime.now(UTC)
    space.apply_rag(services(generation={"replicas": 2}))
    eventually(lambda: space.replicas("generation") == 2, "the standby has taken over", 20)
    assert datetime.now(UTC) - died < timedelta(seconds=15)
    assert _holder(space) == "ragops-1"
    assert set(space.children()) == SINGLE_CHILDREN
    _assert_never_two(audit, space)


def test_a_leader_that_was_frozen_writes_nothing_more(
    space: Space, start_operator: StartOperator, audit: Audit
) -> None:
    """It wakes up, believes to lead, and must notice that its lease is over before it writes."""
    frozen = start_operator("ragops-0")
    space.apply_rag(services("generation"))
    space.await_ready()
    start_operator("ragops-1")
    frozen.signal(signal.SIGSTOP)
    # Work is waiting for it when it wakes up.
    space.apply_rag(services("generation", generation={"replicas": 3}))
    eventually(lambda: _holder(space) == "ragops-1", "the standby has taken over", 20)
    eventually(lambda: space.replicas("generation") == 3, "the standby acts")
    mark = audit.mark()
    frozen.signal(signal.SIGCONT)
    eventually(lambda: frozen.metric("ragops_leader") == 0, "it notices")
    space.delete("Service", "demo-generation")
    eventually(lambda: space.find("Service", "demo-generation"), "the new leader acts")
    space.await_ready()
    assert audit.writes(user(space, "ragops-0"), mark) == []
    _assert_never_two(audit, space)


def test_it_goes_on_when_the_api_server_comes_back(
    space: Space, cluster: Cluster, start_operator: StartOperator
) -> None:
    process = start_operator()
    space.apply_rag(services(generation={"image": "test/held:1"}))
    space.apply_rag(services("generation"), name="gone")
    space.await_state("retrieval", "Ready")
    space.await_ready("gone")
    # Frozen, so that it is sure to have no watch open: no event will ever tell of what is deleted now.
    process.signal(signal.SIGSTOP)
    restart_api_server(cluster, space)
    space.delete("Service", "demo-retrieval")
    space.delete("RAGDeployment", "gone")
    eventually(lambda: space.find("RAGDeployment", "gone") is None, "it is gone")
    process.signal(signal.SIGCONT)
    eventually(lambda: space.find("Service", "demo-retrieval"), "drift is seen again", 60)
    space.set_ready("generation")
    space.await_ready(timeout=60)
    eventually(lambda: not any(name.startswith("gone-") for _, name in space.children()), "children go", 60)
    assert process.is_ready()
    assert "Traceback" not in process.log()


def restart_api_server(cluster: Cluster, space: Space) -> None:
    """Kills the kube-apiserver, which hack/cluster starts again; returns when it answers."""
    status = json.loads((cluster.kubeconfig.parent / "status.json").read_text())
    # Asked to end, it would serve open watches for another minute.
    os.kill(status["processes"]["kube-apiserver"]["pid"], signal.SIGKILL)
    eventually(lambda: not space.answers(), "the API server is gone")
    eventually(space.answers, "the API server is back", 60)


def _holder(space: Space) -> str | None:
    lease = space.find("Lease", "ragops-leader")
    return lease["spec"].get("holderIdentity", "") if lease else None


def _replica_sets(space: Space) -> dict[str, list[str]]:
    """Names of the ReplicaSets by Deployment: more than one means that pods were replaced."""
    found: dict[str, list[str]] = {}
    for obj in space.all_of("ReplicaSet"):
        found.setdefault(obj["metadata"]["ownerReferences"][0]["name"], []).append(obj["metadata"]["name"])
    return found


def _assert_never_two(audit: Audit, space: Space) -> None:
    """All writes of the first replica were over before the first one of the second."""
    first, second = (audit.writes(user(space, name)) for name in ("ragops-0", "ragops-1"))
    assert first
    assert second
    assert max(w.completed for w in first) < min(w.received for w in second)
