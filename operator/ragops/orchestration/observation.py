"""What a pass sees: the children and pods of one RAGDeployment, in the terms that decisions need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ragops.api.names import FIELD_MANAGER, SERVICE_LABEL
from ragops.orchestration.owners import ForeignScaler
from ragops.resources.child import ChildRef, Manifest
from ragops.scaling.window import Window

SCALER_MANAGER: Final = "ragops-scaler"
"""Field manager of replicas set through /scale; the manager of the manifests then does not own them."""


@dataclass(frozen=True)
class PodView:
    """One pod of a service."""

    name: str
    service: str
    ready: bool
    terminating: bool
    waiting_reason: str | None = None
    image: str = ""
    unschedulable: str | None = None
    restarts: int = 0
    ended_at: datetime | None = None
    """When a container last ended and was started again."""


@dataclass(frozen=True)
class Workload:
    """The counts of a Deployment or StatefulSet, and who set its replicas last."""

    wanted: int
    total: int
    ready: int
    updated: int
    settled: bool
    """The controller has seen the current spec."""
    created: datetime
    manifests_own_replicas: bool
    scaler_owns_replicas: bool
    """The scaler changed the replicas last, through /scale. The API server keeps no time of that."""


@dataclass(frozen=True)
class ApplyFailure:
    """What the API server answered to the last attempt to write a child."""

    reason: str
    message: str


@dataclass(frozen=True)
class Observation:
    """All that one pass knows of the cluster."""

    children: Mapping[ChildRef, Manifest] = field(default_factory=dict)
    pods: tuple[PodView, ...] = ()
    windows: Mapping[str, Window] = field(default_factory=dict)
    """Samples by service, of those with autoscaling."""
    failures: Mapping[str, ApplyFailure] = field(default_factory=dict)
    """Failed writes of the last pass, by service."""
    scalers: tuple[ForeignScaler, ...] = ()
    """Autoscalers of others in the namespace."""

    def pods_of(self, service: str) -> tuple[PodView, ...]:
        """The pods of one service that are not on their way out."""
        return tuple(pod for pod in self.pods if pod.service == service and not pod.terminating)


def pod_view(pod: Mapping[str, Any]) -> PodView:
    """Reads a Pod object."""
    status = pod.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    # An injected sidecar may be the first container, and only wait for its turn.
    stuck: Mapping[str, Any] = next((c for c in containers if _waiting_reason(c) not in _PATIENT), {})
    return PodView(
        name=pod["metadata"]["name"],
        service=pod["metadata"].get("labels", {}).get(SERVICE_LABEL, ""),
        ready=(conditions.get("Ready") or {}).get("status") == "True",
        terminating="deletionTimestamp" in pod["metadata"],
        waiting_reason=_waiting_reason(stuck),
        image=stuck.get("image", ""),
        unschedulable=scheduled.get("message") if scheduled.get("reason") == "Unschedulable" else None,
        restarts=sum(c.get("restartCount", 0) for c in containers),
        ended_at=max((end for c in containers if (end := _ended_at(c))), default=None),
    )


_PATIENT: Final = (None, "ContainerCreating", "PodInitializing")


def _waiting_reason(container: Mapping[str, Any]) -> str | None:
    """Why a container waits, by its status; None when it does not."""
    reason: str | None = ((container.get("state") or {}).get("waiting") or {}).get("reason")
    return reason


def _ended_at(container: Mapping[str, Any]) -> datetime | None:
    finished = ((container.get("lastState") or {}).get("terminated") or {}).get("finishedAt")
    return datetime.fromisoformat(finished) if finished else None


def workload_view(obj: Mapping[str, Any]) -> Workload:
    """Reads a Deployment or StatefulSet object."""
    spec, status, metadata = obj.get("spec") or {}, obj.get("status") or {}, obj["metadata"]
    managed = metadata.get("managedFields") or ()
    return Workload(
        wanted=spec.get("replicas", 1),
        total=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        updated=status.get("updatedReplicas", 0),
        settled=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        manifests_own_replicas=any(_owns_replicas(entry, FIELD_MANAGER) for entry in managed),
        scaler_owns_replicas=any(_owns_replicas(entry, SCALER_MANAGER) for entry in managed),
    )


def _owns_replicas(entry: Mapping[str, Any], manager: str) -> bool:
    return (
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    )
