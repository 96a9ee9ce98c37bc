"""The records that go into a scaling decision and come out of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ragops.api.status import ScalingAction, ScalingInput


class ScalingReason(StrEnum):
    """Why a decision is what it is."""

    ABOVE_THRESHOLD = "AboveThreshold"
    BELOW_THRESHOLDS = "BelowThresholds"
    WITHIN_THRESHOLDS = "WithinThresholds"
    STABILIZING = "Stabilizing"
    COOLING_DOWN = "CoolingDown"
    AT_MAXIMUM = "AtMaximum"
    AT_MINIMUM = "AtMinimum"
    BELOW_MINIMUM = "BelowMinimum"
    ABOVE_MAXIMUM = "AboveMaximum"
    PODS_PENDING = "PodsPending"
    METRICS_MISSING = "MetricsMissing"
    METRICS_PARTIAL = "MetricsPartial"
    NOT_STARTED = "NotStarted"


@dataclass(frozen=True)
class ScalingState:
    """What the scaler remembers; kept in status, so that it survives a restart."""

    stable_since: datetime | None = None
    last_scale_time: datetime | None = None


@dataclass(frozen=True)
class Replicas:
    """The replicas of a service as they are."""

    wanted: int
    """spec.replicas of the workload."""
    ready: int
    """Pods that are ready."""


@dataclass(frozen=True)
class Decision:
    """One decision: what, why, by which inputs, and until when."""

    desired: int
    action: ScalingAction
    reason: ScalingReason
    message: str
    inputs: tuple[ScalingInput, ...] = ()
    stable_since: datetime | None = None
    cooldown_until: datetime | None = None
