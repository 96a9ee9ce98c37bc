"""From the status of pods to a reason and a mend."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragops.orchestration.diagnosis import diagnose, look_again
from ragops.orchestration.observation import ApplyFailure, PodView, Workload, pod_view, workload_view

Json = dict[str, Any]
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(
    *containers: Json, conditions: tuple[Json, ...] = (), init: tuple[Json, ...] = (), **metadata: Any
) -> PodView:
    """A pod by the status of its containers."""
    status = {
        "conditions": conditions,
        "containerStatuses": containers,
        "initContainerStatuses": init,
    }
    return pod_view(
        {
            "metadata": {"name": "demo-api-1", "labels": {"ragops.dev/service": "api"}, **metadata},
            "spec": {"containers": [{"name": "main", "image": "a:1"}]},
            "status": status,
        }
    )


def waiting(reason: str, restarts: int = 0, image: str = "a:1") -> Json:
    """A container that waits."""
    return {"image": image, "restartCount": restarts, "state": {"waiting": {"reason": reason}}}


RUNNING: Json = {"image": "a:1", "restartCount": 0, "state": {"running": {}}}


def crashed(restarts: int, seconds_ago: float = 5) -> Json:
    """A container that runs again after it has ended."""
    ended = (NOW - timedelta(seconds=seconds_ago)).isoformat()
    return {**RUNNING, "restartCount": restarts, "lastState": {"terminated": {"finishedAt": ended}}}


READY = ({"type": "Ready", "status": "True"},)
UNSCHEDULABLE = (
    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no cpu"},
)


UNBOUND = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found"


def unset(message: str) -> Json:
    """A container whose environment cannot be made."""
    state = {"waiting": {"reason": "CreateContainerConfigError", "message": message}}
    return {**RUNNING, "state": state}


def killed(reason: str) -> Json:
    """A container that was ended for a reason, and waits to be started again."""
    ended = {"finishedAt": NOW.isoformat(), "reason": reason}
    return {**waiting("CrashLoopBackOff", 3), "lastState": {"terminated": ended}}


def unscheduled(message: str) -> tuple[Json, ...]:
    """The scheduler finds no node."""
    return ({**UNSCHEDULABLE[0], "message": message},)


def unprepared(seconds: float) -> tuple[Json, ...]:
    """A node has had the pod for a time, and it has no sandbox yet."""
    since = (NOW - timedelta(seconds=seconds)).isoformat()
    return (
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": since},
        {"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": since},
    )


def reason_of(*pods: PodView, failure: ApplyFailure | None = None) -> str | None:
    found = diagnose(pods, failure, NOW)
    return found.reason if found else None


@pytest.mark.parametrize(
    ("view", "reason", "told"),
    [
        (pod(waiting("ErrImagePull")), "ImagePullFailed", "the image a:1 cannot be pulled"),
        (pod(waiting("ImagePullBackOff")), "ImagePullFailed", "spec.imagePullSecrets"),
        (pod(waiting("CreateContainerConfigError")), "ContainerConfigError", "describe pod demo-api-1"),
        (pod(unset('secret "llm" not found')), "SecretMissing", "the Secret llm does not exist"),
        (pod(unset("couldn't find key k in Secret ns/llm")), "SecretMissing", "llm has no key k: add it"),
        (pod(unset('configmap "c" not found')), "ConfigMapMissing", "the ConfigMap c does not exist"),
        (pod(waiting("RunContainerError")), "ContainerConfigError", "describe pod demo-api-1"),
        (pod(killed("StartError")), "ContainerConfigError", "describe pod demo-api-1"),
        (pod(killed("OOMKilled")), "OutOfMemory", "raise resources.limits.memory"),
        (pod(killed("Error")), "CrashLoop", "kubectl logs demo-api-1 --previous"),
        (pod(waiting("CrashLoopBackOff", 5)), "CrashLoop", "kubectl logs demo-api-1 --previous"),
        (pod(crashed(2)), "CrashLoop", "kubectl logs"),
        (pod(conditions=unscheduled(UNBOUND)), "VolumePending", "describe pod demo-api-1"),
        (pod(conditions=unscheduled('persistentvolumeclaim "x" not found')), "VolumePending", "get pvc"),
        (pod(conditions=unprepared(31)), "PodNotPrepared", "a volume cannot be mounted"),
        (pod(conditions=UNSCHEDULABLE), "Unschedulable", "lower resources.requests, or add a node"),
        (pod(RUNNING, init=(waiting("ImagePullBackOff", image="init:1"),)), "ImagePullFailed", "init:1"),
    ],
)
def test_trouble_has_a_reason_and_a_mend(view: PodView, reason: str, told: str) -> None:
    found = diagnose([view], None, NOW)
    assert found is not None
    assert found.reason == reason
    assert told in found.message


@pytest.mark.parametrize(
    "view",
    [
        pod(),
        pod(RUNNING),
        pod(waiting("ContainerCreating")),
        pod(waiting("ContainerCreating"), conditions=unprepared(29)),
        pod(waiting("PodInitializing"), init=(RUNNING,)),
        pod(waiting("CrashLoopBackOff", 5), conditions=READY),
        pod(crashed(1)),
        pod(crashed(5, seconds_ago=3600)),
    ],
    ids=[
        "no status",
        "running",
        "creating",
        "mounting",
        "initializing",
        "a sidecar of a ready pod",
        "one restart",
        "crashes of yesterday",
    ],
)
def test_a_normal_start_is_no_trouble(view: PodView) -> None:
    assert diagnose([view], None, NOW) is None


def test_a_patient_sidecar_does_not_hide_the_trouble_of_another_container() -> None:
    sidecar = waiting("PodInitializing", image="mesh:1")
    found = diagnose([pod(sidecar, waiting("ImagePullBackOff", image="a:1"))], None, NOW)
    assert found is not None
    assert "a:1" in found.message


def test_alternating_words_of_the_kubelet_are_one_diagnosis() -> None:
    """Or the status would be written at every turn."""
    turns = [
        (pod(waiting("ErrImagePull")), pod(waiting("ImagePullBackOff"))),
        (pod(waiting("CrashLoopBackOff", 3)), pod(crashed(4))),
    ]
    for one, other in turns:
        assert diagnose([one], None, NOW) is not None
        assert diagnose([one], None, NOW) == diagnose([other], None, NOW)


def test_among_several_pods_the_answer_does_not_depend_on_their_order() -> None:
    pods = [pod(conditions=UNSCHEDULABLE), pod(waiting("CrashLoopBackOff")), pod(RUNNING)]
    assert reason_of(*pods) == reason_of(*reversed(pods)) == "CrashLoop"


def test_a_write_that_failed_comes_first() -> None:
    failure = ApplyFailure("Forbidden", "the policy says no")
    found = diagnose([pod(waiting("ErrImagePull"))], failure, NOW)
    assert found is not None
    assert found.reason == "WriteFailed"
    assert "(Forbidden: the policy says no)" in found.message


def deployment(refused: str | None = None, replicas: int = 0) -> Workload:
    """A Deployment that wants a pod, with what the API server says to the attempts to make it."""
    failing = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": refused}
    return workload_view(
        {
            "metadata": {"name": "demo-api", "creationTimestamp": NOW.isoformat(), "generation": 1},
            "spec": {"replicas": 1},
            "status": {
                "observedGeneration": 1,
                "replicas": replicas,
                "conditions": [failing] if refused else [],
            },
        }
    )


@pytest.mark.parametrize(
    ("text", "reason", "told"),
    [
        (
            'pods "demo-api-x7k2p" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=3',
            "QuotaExceeded",
            "describe resourcequota compute",
        ),
        (
            'pods "demo-api-x7k2p" is forbidden: failed quota: compute: must specify limits.cpu for: proxy',
            "QuotaExceeded",
            "describe resourcequota compute",
        ),
        (
            'pods "demo-api-x7k2p" is forbidden: violates PodSecurity "restricted:latest": host namespaces',
            "PodsRefused",
            'the cluster refuses the pods: violates PodSecurity "restricted:latest": host namespaces: change',
        ),
        (
            'Internal error occurred: failed calling webhook "inject.mesh.io": context deadline exceeded',
            "PodsRefused",
            "the webhook inject.mesh.io does not answer",
        ),
    ],
)
def test_pods_that_cannot_be_made(text: str, reason: str, told: str) -> None:
    found = diagnose([], None, NOW, deployment(text), NOW)
    assert found is not None
    assert found.reason == reason
    assert told in found.message
    # It is tried again under another name, with other numbers.
    again = text.replace("x7k2p", "b9qqz").replace("used: pods=3", "used: pods=4")
    assert (
        diagnose([], None, NOW, deployment(again.replace("context deadline exceeded", "EOF")), NOW) == found
    )


def test_a_workload_without_a_pod_is_told_after_a_while() -> None:
    """A StatefulSet has no condition for it."""
    since = NOW - timedelta(seconds=10)
    found = diagnose([], None, NOW, deployment(), since)
    assert found is not None
    assert found.reason == "PodsNotCreated"
    assert diagnose([], None, NOW, deployment(), NOW - timedelta(seconds=9)) is None
    assert diagnose([], None, NOW, deployment(replicas=1), since) is None
    assert diagnose([pod(RUNNING)], None, NOW, deployment(), since) is None


def test_it_is_known_when_time_alone_changes_the_answer() -> None:
    assert list(look_again([], deployment(), NOW)) == [NOW + timedelta(seconds=10)]
    waits = pod(waiting("ContainerCreating"), conditions=unprepared(10))
    assert list(look_again([waits], deployment(replicas=1), NOW)) == [NOW + timedelta(seconds=20)]
    assert not list(look_again([pod(RUNNING)], None, None))


def test_a_quota_of_the_objects_themselves() -> None:
    text = 'deployments.apps "demo-api" is forbidden: exceeded quota: objects, requested: 1, used: 0'
    found = diagnose([], ApplyFailure("Forbidden", text), NOW)
    assert found is not None
    assert found.reason == "QuotaExceeded"
