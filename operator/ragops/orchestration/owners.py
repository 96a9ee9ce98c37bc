"""Scalers of others: whether somebody else changes the replicas of a workload that ragops scales.

A HorizontalPodAutoscaler is one, and so is a KEDA ScaledObject, which works through an HPA that it owns: the
HPAs of a namespace tell of both, whether KEDA is installed or not. A ScaledObject that is paused has no HPA,
and changes nothing; it is not seen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ragops.api.status import ScalingAction
from ragops.resources.child import ChildRef
from ragops.scaling.decision import Decision, ScalingReason

SCALED_OBJECT: Final = "ScaledObject"
"""Kind of KEDA's autoscaler (keda.sh), the controller of the HPA that it makes."""


@dataclass(frozen=True, order=True)
class ForeignScaler:
    """An autoscaler of others, and the workload that it scales in its namespace."""

    name: str
    """Kind and name, for people: that of the ScaledObject where there is one."""
    group: str
    """API group of the workload."""
    kind: str
    """Kind of the workload."""
    target: str
    """Name of the workload."""


def foreign_scaler(hpa: Mapping[str, Any]) -> ForeignScaler:
    """Reads a HorizontalPodAutoscaler object."""
    metadata, target = hpa["metadata"], hpa["spec"]["scaleTargetRef"]
    owners = metadata.get("ownerReferences") or ()
    scaled = next((o["name"] for o in owners if o["kind"] == SCALED_OBJECT and o.get("controller")), None)
    return ForeignScaler(
        name=f"{SCALED_OBJECT} {scaled}" if scaled else f"HorizontalPodAutoscaler {metadata['name']}",
        # Any version will do: it says how the HPA addresses the workload, not which workload it is.
        group=(target.get("apiVersion") or "").rpartition("/")[0],
        kind=target["kind"],
        target=target["name"],
    )


def owner_of(workload: ChildRef, scalers: Iterable[ForeignScaler]) -> str | None:
    """Who else changes the replicas of a workload: the first by name, None where nobody does."""
    identity = (workload.api_version.rpartition("/")[0], workload.kind, workload.name)
    return min((s.name for s in scalers if (s.group, s.kind, s.target) == identity), default=None)


def left_to(owner: str, wanted: int) -> Decision:
    """The decision on replicas that somebody else changes too: they stay as they are, bounds or not."""
    return Decision(
        desired=wanted,
        action=ScalingAction.HOLD,
        reason=ScalingReason.OWNED_BY_OTHERS,
        message=f"{owner} changes the replicas too, so ragops does not: delete it, "
        "or set autoscaling.mode to External",
    )
