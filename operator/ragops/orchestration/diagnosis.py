"""Why a service does not start or is not ready: one reason, with the right next step for a person.

Texts that change by themselves (back-off times, alternating kubelet reasons) stay out: status is written on
transitions only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ragops.orchestration.observation import ApplyFailure, PodView

CRASHES: Final = 2
"""Restarts of a pod that is not ready that count as a crash loop, if the last one was not long ago."""

CRASH_MEMORY: Final = timedelta(minutes=10)
"""Longer than the kubelet's longest back-off, so that a crash loop does not come and go in status."""

# The most telling first.
_ORDER: Final = ("ImagePullFailed", "ContainerConfigError", "CrashLoop", "Unschedulable")

_PULL_REASONS: Final = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
)
_CONFIG_REASONS: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


@dataclass(frozen=True)
class Diagnosis:
    """A reason for programs and a sentence for people."""

    reason: str
    message: str


def diagnose(pods: Sequence[PodView], failure: ApplyFailure | None, now: datetime) -> Diagnosis | None:
    """The most telling trouble among the pods that are not ready; None when nothing is visibly wrong."""
    if failure is not None:
        return Diagnosis(failure.reason, failure.message)
    found = [diagnosis for pod in pods if not pod.ready and (diagnosis := _of_pod(pod, now))]
    return min(found, key=lambda d: (_ORDER.index(d.reason), d.message), default=None)


def _of_pod(pod: PodView, now: datetime) -> Diagnosis | None:
    if pod.waiting_reason in _PULL_REASONS:
        return Diagnosis(
            "ImagePullFailed",
            f"the image {pod.image} cannot be pulled: check its name and tag, and spec.imagePullSecrets",
        )
    if pod.waiting_reason in _CONFIG_REASONS:
        return Diagnosis(
            "ContainerConfigError",
            f"the container cannot be created: a Secret, key or volume is missing: "
            f"kubectl describe pod {pod.name}",
        )
    lately = pod.ended_at is not None and now - pod.ended_at < CRASH_MEMORY
    if pod.waiting_reason == "CrashLoopBackOff" or (pod.restarts >= CRASHES and lately):
        return Diagnosis("CrashLoop", f"the container keeps ending: see kubectl logs {pod.name} --previous")
    if pod.unschedulable is not None:
        # The scheduler's text counts nodes, and would change with the cluster.
        return Diagnosis(
            "Unschedulable",
            "no node has room for the pod: lower resources.requests, or add a node; "
            f"kubectl describe pod {pod.name} names what is short",
        )
    return None
