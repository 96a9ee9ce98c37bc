"""The records that go into a scaling decision and come out of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ragops.api.status import ForecastStatus, ScalingAction, ScalingChange, ScalingInput, ScalingPeak


class ScalingReason(StrEnum):
    """Why a decision is what it is."""

    ABOVE_THRESHOLD = "AboveThreshold"
    BELOW_THRESHOLDS = "BelowThresholds"
    WITHIN_THRESHOLDS = "WithinThresholds"
    ABOVE_TARGET = "AboveTarget"
    BELOW_TARGET = "BelowTarget"
    WITHIN_TOLERANCE = "WithinTolerance"
    PANIC = "Panic"
    LOAD_EXPECTED = "LoadExpected"
    STABILIZING = "Stabilizing"
    COOLING_DOWN = "CoolingDown"
    RATE_LIMITED = "RateLimited"
    AT_MAXIMUM = "AtMaximum"
    AT_MINIMUM = "AtMinimum"
    BELOW_MINIMUM = "BelowMinimum"
    ABOVE_MAXIMUM = "AboveMaximum"
    PODS_PENDING = "PodsPending"
    METRICS_MISSING = "MetricsMissing"
    METRICS_PARTIAL = "MetricsPartial"
    OWNED_BY_OTHERS = "OwnedByOthers"


@dataclass(frozen=True)
class ScalingState:
    """What the scaler remembers; kept in status, so that it survives a restart."""

    stable_since: datetime | None = None
    last_scale_time: datetime | None = None
    peaks: tuple[ScalingPeak, ...] = ()
    """Largest demands since `stable_since`, oldest first, each larger than all after it."""
    changes: tuple[ScalingChange, ...] = ()
    """Recent changes of replicas, oldest first, as far back as the rate limits look."""


@dataclass(frozen=True)
class Replicas:
    """The replicas of a service as they are."""

    wanted: int
    """spec.replicas of the workload."""
    ready: int
    """Pods that are ready."""
    beside: int = 0
    """Ready pods of a version that is tried, which are measured too: they share the load, and will go."""


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
    peaks: tuple[ScalingPeak, ...] = ()
    forecast: ForecastStatus | None = None
