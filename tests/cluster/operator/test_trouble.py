"""Starts that fail, and why: the reason and the mend are in the status, and the others go on."""

from typing import Any

import pytest

from .audit import Audit
from .conftest import user
from .eventually import eventually
from .space import Object, Space, services

pytestmark = pytest.mark.usefixtures("operator")

HELD: Object = {"image": "test/held:1", "startup": {"timeoutSeconds": 5}}


def test_a_timeout_is_told_and_the_others_go_on(space: Space) -> None:
    space.apply_rag(services(generation=HELD))
    status = space.await_state("generation", "Failed")
    assert status["startup"]["reason"] == "StartupTimeout"
    assert "not ready after 5 s" in status["startup"]["message"]
    for name in ("vector-store", "embeddings", "documents", "retrieval"):
        space.await_state(name, "Ready")
    assert space.service("api")["startup"]["waitingFor"] == ["generation"]
    assert space.workload("api") is None
    degraded = space.condition("Degraded")
    assert (degraded["status"], degraded["reason"]) == ("True", "StartFailed")

    # Late is not never.
    space.set_ready("generation")
    space.await_ready()
    assert "reason" not in space.service("generation")["startup"]
    assert space.condition("Degraded")["status"] == "False"


def test_with_halt_nothing_further_is_started(space: Space) -> None:
    space.apply_rag(services(generation=HELD, vector_store=HELD), startup={"failurePolicy": "Halt"})
    space.await_state("generation", "Failed")
    status = space.await_state("embeddings", "Halted")
    assert status["startup"]["reason"] == "Halted"
    assert "failurePolicy" in status["startup"]["message"]
    space.set_ready("vector-store")
    space.await_state("vector-store", "Ready")
    assert space.state("embeddings") == "Halted"
    assert space.workload("embeddings") is None

    space.set_ready("generation")
    space.await_ready()


@pytest.mark.parametrize(
    ("broken", "reason", "told"),
    [
        ({"image": "test/missing:7"}, "ImagePullFailed", ["test/missing:7", "imagePullSecrets"]),
        ({"image": "test/crashing:1"}, "CrashLoop", ["kubectl logs demo-generation-", "--previous"]),
        (
            {"resources": {"requests": {"cpu": "9000"}}},
            "Unschedulable",
            ["lower resources.requests", "kubectl describe pod demo-generation-"],
        ),
    ],
    ids=["image", "crash", "resources"],
)
def test_the_reason_is_told(
    space: Space, audit: Audit, broken: dict[str, Any], reason: str, told: list[str]
) -> None:
    space.apply_rag(services("generation", "retrieval", generation=broken, retrieval={"dependsOn": []}))
    eventually(
        lambda: space.service("generation").get("startup", {}).get("reason") == reason, f"{reason} is told"
    )
    message = space.service("generation")["startup"]["message"]
    assert all(part in message for part in told), message
    assert reason in space.condition("Ready")["message"]
    space.await_state("retrieval", "Ready")

    # Mended, it comes up, and the reason goes.
    mended: Object = {"image": "test/services:1"} if "image" in broken else {}
    space.apply_rag(services("generation", "retrieval", generation=mended, retrieval={"dependsOn": []}))
    space.await_ready()
    assert "reason" not in space.service("generation")["startup"]
    # The same trouble is written once, not at each look of the kubelet.
    statuses = [w for w in audit.writes(user(space)) if w.resource == "ragdeployments/status"]
    assert len(statuses) <= 12


def test_a_failing_upstream_degrades_by_name_and_stops_nothing(space: Space) -> None:
    space.apply_rag(services())
    space.await_ready()
    before = space.identities()
    space.set_ready("vector-store", ready=False)
    eventually(lambda: space.state("vector-store") == "Unavailable", "the upstream is unavailable")
    assert space.service("vector-store")["health"]["state"] == "Unhealthy"
    for name in ("embeddings", "documents", "retrieval", "api"):
        health = space.service(name)["health"]
        assert (health["state"], health["causedBy"]) == ("Degraded", "vector-store"), name
        assert space.state(name) == "Ready"
    assert space.service("generation")["health"]["state"] == "Healthy"
    assert space.get("RAGDeployment", "demo")["status"]["summary"]["health"] == "Unhealthy"
    assert space.identities() == before

    space.set_ready("vector-store")
    eventually(lambda: space.condition("Degraded")["status"] == "False", "all is well again")
    space.await_ready()
    assert "causedBy" not in space.service("api")["health"]


def test_an_update_that_does_not_come_up_keeps_the_old_pods(space: Space) -> None:
    space.apply_rag(services("generation", generation={"replicas": 2}))
    space.await_ready()
    old = {pod["metadata"]["uid"] for pod in space.pods("generation")}
    space.apply_rag(services("generation", generation={"replicas": 2, "image": "test/missing:1"}))
    eventually(lambda: space.condition("Progressing").get("reason") == "Updating", "the update is told")
    eventually(lambda: "ImagePullFailed" in _rollout(space), "and why it does not go on")
    assert _rollout(space).endswith("2 pods keep serving")
    assert space.condition("Degraded")["reason"] == "RolloutStuck"
    assert space.state("generation") == "Ready"
    assert old <= {pod["metadata"]["uid"] for pod in space.pods("generation")}

    space.apply_rag(services("generation", generation={"replicas": 2}))
    space.await_ready()
    assert "rollout" not in space.service("generation")
    assert old == {pod["metadata"]["uid"] for pod in space.pods("generation")}


def _rollout(space: Space) -> str:
    message: str = space.service("generation").get("rollout", {}).get("message", "")
    return message
