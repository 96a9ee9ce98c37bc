"""From the status of pods to a reason and a mend."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragops.orchestration.diagnosis import Diagnosis, diagnose
from ragops.orchestration.observation import ApplyFailure, PodView, pod_view

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


def reason_of(*pods: PodView, failure: ApplyFailure | None = None) -> str | None:
    found = diagnose(pods, failure, NOW)
    return found.reason if found else None


@pytest.mark.parametrize(
    ("view", "reason", "told"),
    [
        (pod(waiting("ErrImagePull")), "ImagePullFailed", "the image a:1 cannot be pulled"),
        (pod(waiting("ImagePullBackOff")), "ImagePullFailed", "spec.imagePullSecrets"),
        (pod(waiting("CreateContainerConfigError")), "ContainerConfigError", "describe pod demo-api-1"),
        (pod(waiting("CrashLoopBackOff", 5)), "CrashLoop", "kubectl logs demo-api-1 --previous"),
        (pod(crashed(2)), "CrashLoop", "kubectl logs"),
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
        pod(waiting("PodInitializing"), init=(RUNNING,)),
        pod(waiting("CrashLoopBackOff", 5), conditions=READY),
        pod(crashed(1)),
        pod(crashed(5, seconds_ago=3600)),
    ],
    ids=[
        "no status",
        "running",
        "creating",
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
    failure = ApplyFailure("Forbidden", "quota is used up")
    assert diagnose([pod(waiting("ErrImagePull"))], failure, NOW) == Diagnosis(
        "Forbidden", "quota is used up"
    )
