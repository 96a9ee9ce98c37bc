"""Why a service does not start or is not ready: one reason, with the right next step for a person.

Texts that change by themselves (back-off times, alternating kubelet reasons, names of pods that are tried
again and again) stay out: status is written on transitions only. Read are the objects that are watched
anyway: pods, and the conditions of their workload. Events and volume claims are not watched; what only they
tell shows here by the time that a step takes.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ragops.orchestration.observation import ApplyFailure, PodView, Workload

CRASHES: Final = 2
"""Restarts of a pod that is not ready that count as a crash loop, if the last one was not long ago."""

CRASH_MEMORY: Final = timedelta(minutes=10)
"""Longer than the kubelet's longest back-off, so that a crash loop does not come and go in status."""

PREPARATION: Final = timedelta(seconds=30)
"""For a node to mount volumes and connect a pod. Attaching a disk may take most of it."""

CREATION: Final = timedelta(seconds=10)
"""For the controller of a workload to make its first pod."""

TEXT_LIMIT: Final = 300
"""Of what others say, as much is told."""


class StartReason(StrEnum):
    """Why a service has not started, is not ready, or its new version does not come up.

    Among several pods the most telling is told: in this order.
    """

    NAME_TAKEN = "NameTaken"
    WRITE_FAILED = "WriteFailed"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    SECRET_MISSING = "SecretMissing"
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    OUT_OF_MEMORY = "OutOfMemory"
    CRASH_LOOP = "CrashLoop"
    QUOTA_EXCEEDED = "QuotaExceeded"
    PODS_REFUSED = "PodsRefused"
    VOLUME_PENDING = "VolumePending"
    UNSCHEDULABLE = "Unschedulable"
    POD_NOT_PREPARED = "PodNotPrepared"
    PODS_NOT_CREATED = "PodsNotCreated"
    STARTUP_TIMEOUT = "StartupTimeout"
    HALTED = "Halted"


REFUSALS: Final = frozenset(
    (StartReason.NAME_TAKEN, StartReason.WRITE_FAILED, StartReason.QUOTA_EXCEEDED, StartReason.PODS_REFUSED)
)
"""The cluster does not let a change happen. Told of services that are ready, too."""

_PASSING: Final = ("Unreachable", "Conflict", "Timeout", "ServerTimeout", "TooManyRequests")
"""Failures of requests that say nothing about the object: not told, only tried again."""

_ORDER: Final[list[str]] = list(StartReason)

_PULL_REASONS: Final = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
)
_CONFIG_REASONS: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_NEVER_RAN: Final = ("StartError", "ContainerCannotRun")
"""How a container ended that could not be started: later the kubelet says CrashLoopBackOff of it."""

_NO_OBJECT: Final = re.compile(r'(secret|configmap) "([^"]+)" not found')
_NO_KEY: Final = re.compile(r"couldn't find key (\S+) in (Secret|ConfigMap) [^/\s]+/(\S+)")
_VOLUME: Final = re.compile(r"persistentvolume|volume node affinity|free storage", re.IGNORECASE)
_QUOTA: Final = re.compile(r"(?:exceeded|failed) quota: ([^,:\s]+)")
_REFUSED: Final = re.compile(r'^pods "([^"]*)" is forbidden: ')
_WEBHOOK: Final = re.compile(r'failed calling webhook "([^"]+)"')


@dataclass(frozen=True)
class Diagnosis:
    """A reason for programs and a sentence for people."""

    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


def diagnose(
    pods: Sequence[PodView],
    failure: ApplyFailure | None,
    now: datetime,
    workload: Workload | None = None,
    unready_since: datetime | None = None,
) -> Diagnosis | None:
    """The most telling trouble; None when nothing is visibly wrong.

    `failure` is that of the last write, `unready_since` since when the workload has had no ready pod.
    """
    if failure is not None and failure.reason not in _PASSING:
        return _of_failure(failure)
    found = [diagnosis for pod in pods if not pod.ready and (diagnosis := _of_pod(pod, now))]
    if workload is not None and workload.refused is not None:
        found.append(_of_refusal(workload.refused))
    if not found and _overdue(_creation_due(pods, workload, unready_since), now):
        found.append(
            Diagnosis(
                StartReason.PODS_NOT_CREATED,
                "the cluster makes no pod for the workload: kubectl describe it, its Events tell why",
            )
        )
    return min(found, key=lambda d: (_ORDER.index(d.reason), d.message), default=None)


def look_again(
    pods: Sequence[PodView], workload: Workload | None, unready_since: datetime | None
) -> Iterator[datetime]:
    """The moments at which time alone changes the diagnosis."""
    moments = [_preparation_due(pod) for pod in pods if not pod.ready]
    moments.append(_creation_due(pods, workload, unready_since))
    return (moment for moment in moments if moment is not None)


def _of_failure(failure: ApplyFailure) -> Diagnosis:
    if failure.reason == StartReason.NAME_TAKEN:
        return Diagnosis(StartReason.NAME_TAKEN, failure.message)
    if quota := _QUOTA.search(failure.message):
        return _quota_exceeded(quota[1])
    return Diagnosis(
        StartReason.WRITE_FAILED,
        f"a part of the service cannot be written ({failure.reason}: {failure.message[:TEXT_LIMIT]}): "
        "change the policy that forbids it, or the service; the operator tries again by itself",
    )


def _of_refusal(text: str) -> Diagnosis:
    """What the API server says to the controller that wants to make pods."""
    if quota := _QUOTA.search(text):
        return _quota_exceeded(quota[1])
    if webhook := _WEBHOOK.search(text):
        why = f"the webhook {webhook[1]} does not answer"
    else:
        name = _REFUSED.match(text)
        why = _REFUSED.sub("", text).replace(name[1], "the pod") if name and name[1] else text
    return Diagnosis(
        StartReason.PODS_REFUSED,
        f"the cluster refuses the pods: {why[:TEXT_LIMIT]}: change the service, what others add to its pods, "
        "or the policy",
    )


def _quota_exceeded(quota: str) -> Diagnosis:
    return Diagnosis(
        StartReason.QUOTA_EXCEEDED,
        f"the ResourceQuota {quota} has no room: kubectl describe resourcequota {quota}; raise it, free some "
        "of it, or lower replicas or resources",
    )


def _of_pod(pod: PodView, now: datetime) -> Diagnosis | None:
    if pod.waiting_reason in _PULL_REASONS:
        return Diagnosis(
            StartReason.IMAGE_PULL_FAILED,
            f"the image {pod.image} cannot be pulled: check its name and tag, and spec.imagePullSecrets",
        )
    crashing = pod.waiting_reason == "CrashLoopBackOff" or (
        pod.restarts >= CRASHES and pod.ended_at is not None and now - pod.ended_at < CRASH_MEMORY
    )
    if pod.waiting_reason in _CONFIG_REASONS or (crashing and pod.ended_by in _NEVER_RAN):
        return _of_configuration(pod)
    if crashing and pod.ended_by == "OOMKilled":
        return Diagnosis(
            StartReason.OUT_OF_MEMORY,
            "the container is killed for using more memory than its limit: raise resources.limits.memory",
        )
    if crashing:
        return Diagnosis(
            StartReason.CRASH_LOOP, f"the container keeps ending: see kubectl logs {pod.name} --previous"
        )
    if pod.unschedulable is not None:
        return _of_scheduling(pod, pod.unschedulable)
    if _overdue(_preparation_due(pod), now):
        return Diagnosis(
            StartReason.POD_NOT_PREPARED,
            "its node has not prepared the pod: a volume cannot be mounted or there is no network for it: "
            f"kubectl describe pod {pod.name}",
        )
    return None


def _of_configuration(pod: PodView) -> Diagnosis:
    if missing := _NO_OBJECT.search(pod.waiting_message):
        kind = "Secret" if missing[1] == "secret" else "ConfigMap"
        return _missing(kind, f"the {kind} {missing[2]} does not exist in this namespace: create it")
    if missing := _NO_KEY.search(pod.waiting_message):
        return _missing(missing[2], f"the {missing[2]} {missing[3]} has no key {missing[1]}: add it")
    return Diagnosis(
        StartReason.CONTAINER_CONFIG_ERROR,
        f"the container cannot be created or started: kubectl describe pod {pod.name}",
    )


def _missing(kind: str, message: str) -> Diagnosis:
    reason = StartReason.SECRET_MISSING if kind == "Secret" else StartReason.CONFIG_MAP_MISSING
    return Diagnosis(reason, f"{message}; the pods then start by themselves")


def _of_scheduling(pod: PodView, text: str) -> Diagnosis:
    """The scheduler's text counts nodes, and would change with the cluster."""
    if _VOLUME.search(text):
        return Diagnosis(
            StartReason.VOLUME_PENDING,
            f"the pod's volume is not there: kubectl describe pod {pod.name}; kubectl get pvc,storageclass; "
            "name a class that exists in storage.storageClassName, or give the cluster a default one",
        )
    return Diagnosis(
        StartReason.UNSCHEDULABLE,
        "no node has room for the pod: lower resources.requests, or add a node; "
        f"kubectl describe pod {pod.name} names what is short",
    )


def _preparation_due(pod: PodView) -> datetime | None:
    """By when the node must have prepared the pod; None where it has, or has not been given one."""
    return pod.scheduled_at + PREPARATION if pod.scheduled_at is not None and not pod.prepared else None


def _creation_due(
    pods: Sequence[PodView], workload: Workload | None, unready_since: datetime | None
) -> datetime | None:
    """By when there must be a pod; None where there is one, or none is wanted.

    A StatefulSet does not tell what keeps it from making pods.
    """
    if workload is None or pods or workload.total or not workload.wanted or unready_since is None:
        return None
    return unready_since + CREATION


def _overdue(due: datetime | None, now: datetime) -> bool:
    return due is not None and now >= due
