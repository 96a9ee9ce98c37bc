"""What a pass sees: the children and pods of one RAGDeployment, in the terms that decisions need."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ragops.api.names import (
    CONFIG_ANNOTATION,
    FIELD_MANAGER,
    REVISION_ANNOTATION,
    SERVICE_LABEL,
    VARIANT_LABEL,
)
from ragops.gateway.files import Usage
from ragops.health.assess import Evidence, Memory
from ragops.orchestration.analysis import Comparison
from ragops.orchestration.owners import ForeignScaler
from ragops.resources.child import ChildRef, Manifest
from ragops.resources.variant import Variant, variant_of
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
    ended_by: str | None = None
    """Why it did, such as OOMKilled."""
    waiting_message: str = ""
    """What the kubelet says beside the waiting reason."""
    scheduled_at: datetime | None = None
    """When the pod was given a node."""
    prepared: bool = True
    """Its node has not said that volumes or network are missing yet."""
    variant: Variant = Variant.STABLE
    uid: str = ""
    told: str = ""
    """Of a gateway's pod: the content of the ConfigMap that its kubelet was told of."""
    ended: bool = False
    """All its containers have, for good: it was evicted, or its node went down."""


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
    refused: str | None = None
    """What the API server answers to a Deployment's attempts to make pods; a StatefulSet does not tell."""
    revision: str = ""
    """The version of the service that its pods are to be of; empty where nothing tells."""
    selector: Manifest | None = None
    """How it finds its pods, which can never be changed."""
    labelled: bool = True
    """The pods that it makes now say of which variant they are: those of operators before did not."""
    makes_way: bool = False
    """An update takes pods away before there are new ones."""

    @property
    def uniform(self) -> bool:
        """All pods that there are have been made from the current template."""
        return self.settled and self.updated == self.total

    @property
    def complete(self) -> bool:
        """All pods are of the current version and ready, as many as are wanted."""
        return self.settled and self.wanted == self.updated == self.total and self.ready >= self.wanted


@dataclass(frozen=True)
class ApplyFailure:
    """What the API server answered to the last attempt to write a child."""

    reason: str
    message: str


@dataclass(frozen=True)
class GatewayReport:
    """What a pod of the gateway says of itself."""

    revision: str | None
    """Of the configuration that it runs with."""
    split: str | None = None
    """Digest of the shares of candidates that are in force; None: it does not know."""
    reached: frozenset[str] = frozenset()
    """Services of which it finds a pod good."""
    fallen: frozenset[str] = frozenset()
    """Services that are balanced by ResourceUsage, whose usage is not known."""
    panic: frozenset[str] = frozenset()
    """Services of which no pod is good: all get requests all the same."""


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
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    """What canaries, and the stable versions beside them, did with their requests, by service."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """What was measured of the pods for their health, by service."""
    gateways: Mapping[str, GatewayReport] = field(default_factory=dict)
    """What the pods of the gateway say, by uid, of those that do."""
    usage: Mapping[str, Mapping[str, Usage]] = field(default_factory=dict)
    """What pods use of their requests, by address, of the services that are balanced by it."""
    memory: Mapping[str, Memory] = field(default_factory=dict)
    """What the last pass has left for the hysteresis of health, by service; nothing after a restart."""

    def pods_of(self, service: str) -> tuple[PodView, ...]:
        """The pods of one service that are not on their way out."""
        own = (pod for pod in self.pods if pod.service == service)
        return tuple(pod for pod in own if not pod.terminating and not pod.ended)


def pod_view(pod: Mapping[str, Any]) -> PodView:
    """Reads a Pod object."""
    status = pod.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled") or {}
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    # An injected sidecar may be the first container, and only wait for its turn.
    stuck: Mapping[str, Any] = next((c for c in containers if _waiting_reason(c) not in _PATIENT), {})
    last_end = max((end for c in containers if (end := _last_end(c))), default=None)
    return PodView(
        name=pod["metadata"]["name"],
        service=pod["metadata"].get("labels", {}).get(SERVICE_LABEL, ""),
        ready=(conditions.get("Ready") or {}).get("status") == "True",
        terminating="deletionTimestamp" in pod["metadata"],
        waiting_reason=_waiting_reason(stuck),
        image=stuck.get("image", ""),
        unschedulable=scheduled.get("message") if scheduled.get("reason") == "Unschedulable" else None,
        restarts=sum(c.get("restartCount", 0) for c in containers),
        ended_at=last_end[0] if last_end else None,
        ended_by=last_end[1] if last_end else None,
        waiting_message=_waiting(stuck).get("message", ""),
        scheduled_at=_time(scheduled) if scheduled.get("status") == "True" else None,
        prepared=(conditions.get("PodReadyToStartContainers") or {}).get("status") != "False",
        uid=pod["metadata"].get("uid", ""),
        told=(pod["metadata"].get("annotations") or {}).get(CONFIG_ANNOTATION, ""),
        ended=status.get("phase") in ("Failed", "Succeeded"),
        variant=variant_of(pod["metadata"].get("labels") or {}),
    )


_PATIENT: Final = (None, "ContainerCreating", "PodInitializing")


def _waiting_reason(container: Mapping[str, Any]) -> str | None:
    """Why a container waits, by its status; None when it does not."""
    reason: str | None = _waiting(container).get("reason")
    return reason


def _waiting(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return (container.get("state") or {}).get("waiting") or {}


def _last_end(container: Mapping[str, Any]) -> tuple[datetime, str] | None:
    """When and why a container last ended."""
    end = (container.get("lastState") or {}).get("terminated") or {}
    finished = end.get("finishedAt")
    return (datetime.fromisoformat(finished), end.get("reason", "")) if finished else None


def _time(condition: Mapping[str, Any]) -> datetime | None:
    """When a condition last changed."""
    changed = condition.get("lastTransitionTime")
    return datetime.fromisoformat(changed) if changed else None


def workload_view(obj: Mapping[str, Any]) -> Workload:
    """Reads a Deployment or StatefulSet object."""
    spec, status, metadata = obj.get("spec") or {}, obj.get("status") or {}, obj["metadata"]
    managed = metadata.get("managedFields") or ()
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    failing, strategy = conditions.get("ReplicaFailure") or {}, spec.get("strategy") or {}
    return Workload(
        wanted=spec.get("replicas", 1),
        total=status.get("replicas", 0),
        ready=status.get("readyReplicas", 0),
        updated=status.get("updatedReplicas", 0),
        settled=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        created=datetime.fromisoformat(metadata["creationTimestamp"]),
        manifests_own_replicas=any(_owns_replicas(entry, FIELD_MANAGER) for entry in managed),
        scaler_owns_replicas=any(_owns_replicas(entry, SCALER_MANAGER) for entry in managed),
        refused=failing.get("message", "") if failing.get("status") == "True" else None,
        revision=(metadata.get("annotations") or {}).get(REVISION_ANNOTATION, ""),
        selector=spec.get("selector"),
        labelled=VARIANT_LABEL in labels,
        makes_way=(strategy.get("rollingUpdate") or {}).get("maxUnavailable", 0) != 0,
    )


def _owns_replicas(entry: Mapping[str, Any], manager: str) -> bool:
    return (
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    )
