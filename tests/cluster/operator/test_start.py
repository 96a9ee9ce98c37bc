"""The ordered, health-gated start of real objects."""

import pytest

from .space import SIX, Object, Space, services

pytestmark = pytest.mark.usefixtures("operator")

HELD = {"image": "test/held:1"}


def test_a_whole_system_comes_up_in_order(space: Space) -> None:
    slow = {name: {"image": "test/slow:1"} for name in ("vector_store", "embeddings", "retrieval")}
    space.apply_rag(services(**slow))
    space.await_ready()

    started = {name: space.service(name)["startup"]["startedAt"] for name in SIX}
    ready = {name: space.service(name)["startup"]["readyAt"] for name in SIX}
    for name, needs in NEEDS.items():
        assert all(ready[need] <= started[name] for need in needs), (name, started, ready)
        created = _created(space.workload(name))
        assert all(_pods_ready_at(space, need) <= created for need in needs), name
    assert space.get("RAGDeployment", "demo")["status"]["summary"] == {
        "services": "6/6",
        "health": "Healthy",
        "scaling": "",
    }


def test_a_service_that_is_not_ready_gates_its_dependents_only(space: Space) -> None:
    space.apply_rag(services(embeddings=HELD))
    space.await_state("generation", "Ready")
    space.await_state("embeddings", "Starting")
    assert space.service("documents")["startup"] == {"waitingFor": ["embeddings"]}
    assert space.service("api")["startup"]["waitingFor"] == ["embeddings", "documents", "retrieval"]
    assert {name for kind, name in space.children() if kind == "Deployment"} == {
        "demo-embeddings",
        "demo-generation",
    }

    space.set_ready("embeddings")
    space.await_ready()


NEEDS = {
    "embeddings": ("vector-store",),
    "documents": ("vector-store", "embeddings"),
    "retrieval": ("vector-store", "embeddings"),
    "api": ("vector-store", "embeddings", "documents", "retrieval", "generation"),
}


def _created(workload: Object | None) -> str:
    assert workload is not None
    created: str = workload["metadata"]["creationTimestamp"]
    return created


def _pods_ready_at(space: Space, service: str) -> str:
    """When the last pod of a service became ready."""
    return max(
        condition["lastTransitionTime"]
        for pod in space.pods(service)
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready"
    )
