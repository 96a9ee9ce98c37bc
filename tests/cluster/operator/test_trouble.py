"""Starts that fail, and why: the reason and the mend are in the status, and the others go on."""

from typing import Any

import pytest

from .audit import Audit
from .conftest import user
from .eventually import eventually
from .space import Object, Space, services

pytestmark = pytest.mark.usefixtures("operator")

VISIBLE_SECONDS = 10.0
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
        ({"image": "test/hungry:1"}, "OutOfMemory", ["raise resources.limits.memory"]),
        ({"image": "test/unset:1"}, "SecretMissing", ["Secret llm", "create it"]),
        (
            {"resources": {"requests": {"cpu": "9000"}}},
            "Unschedulable",
            ["lower resources.requests", "kubectl describe pod demo-generation-"],
        ),
    ],
    ids=["image", "crash", "memory", "secret", "resources"],
)
def test_the_reason_is_told(
    space: Space, audit: Audit, broken: dict[str, Any], reason: str, told: list[str]
) -> None:
    space.apply_rag(services("generation", "retrieval", generation=broken, retrieval={"dependsOn": []}))
    eventually(
        lambda: space.service("generation").get("startup", {}).get("reason") == reason,
        f"{reason} is told",
        VISIBLE_SECONDS,
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


def _reason(space: Space, service: str = "generation") -> str | None:
    reason: str | None = space.service(service).get("startup", {}).get("reason")
    return reason


def test_a_volume_that_nobody_makes(space: Space) -> None:
    storage = {"storageClassName": "nowhere"}
    space.apply_rag(services("vector-store", "generation", vector_store={"storage": storage}))
    eventually(lambda: _reason(space, "vector-store") == "VolumePending", "it is told", VISIBLE_SECONDS)
    message = space.service("vector-store")["startup"]["message"]
    assert "storage.storageClassName" in message
    assert "kubectl describe pod demo-vector-store-0" in message


def test_a_node_that_does_not_mount_the_volumes(space: Space) -> None:
    """Only Events tell at once, which are not watched: it is told after half a minute."""
    space.apply_rag(services("generation", generation={"image": "test/unmounted:1"}))
    eventually(lambda: _reason(space) == "PodNotPrepared", "it is told", 30 + VISIBLE_SECONDS)
    assert "kubectl describe pod demo-generation-" in space.service("generation")["startup"]["message"]


def test_a_quota_that_is_used_up(space: Space, audit: Audit) -> None:
    """Of a Deployment its condition tells; of a StatefulSet only that it has no pod."""
    space.create("ResourceQuota", "compute", spec={"hard": {"pods": "0"}})
    space.apply_rag(services("vector-store", "generation"))
    eventually(lambda: _reason(space) == "QuotaExceeded", "it is told", VISIBLE_SECONDS)
    assert "kubectl describe resourcequota compute" in space.service("generation")["startup"]["message"]
    eventually(lambda: _reason(space, "vector-store") == "PodsNotCreated", "it is told", 10 + VISIBLE_SECONDS)
    # The name of the pod that cannot be made is another one at each attempt.
    audit.assert_no_writes(user(space), 3)

    space.delete("ResourceQuota", "compute")
    space.await_ready(timeout=150)  # the controllers try again later each time
    assert _reason(space) is None


def test_pods_that_the_cluster_does_not_admit(space: Space) -> None:
    """What others add to the pods breaks the policy of the namespace."""
    space.apply_rag(services("generation"))
    space.await_ready()
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    path = f"/api/v1/namespaces/{space.namespace}"
    content = {"Content-Type": "application/merge-patch+json"}
    space.client.patch(path, json={"metadata": {"labels": labels}}, headers=content).raise_for_status()
    template = {"spec": {"containers": [{"name": "mesh-proxy", "image": "mesh:1"}]}}
    space.apply("Deployment", "demo-generation", by="mesh", spec={"template": template})
    eventually(lambda: "PodsRefused" in _rollout(space), "it is told", VISIBLE_SECONDS)
    assert 'violates PodSecurity "restricted' in _rollout(space)
    assert space.state("generation") == "Ready", "the old pods serve"


def test_a_write_that_a_policy_refuses(space: Space) -> None:
    space.create("ResourceQuota", "objects", spec={"hard": {"count/deployments.apps": "0"}})
    space.apply_rag(services("generation", "retrieval", retrieval={"dependsOn": []}))
    eventually(lambda: _reason(space) == "QuotaExceeded", "it is told", VISIBLE_SECONDS)
    space.delete("ResourceQuota", "objects")
    space.await_ready(timeout=90)


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
