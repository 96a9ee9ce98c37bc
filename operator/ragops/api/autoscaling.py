"""spec.services[].autoscaling: bounds, pace and thresholds of one service's replicas."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, NamedTuple

from pydantic import Field

from ragops.api.base import Model
from ragops.api.problems import Reserved
from ragops.api.rules import ListMap, Rule


class ScalingMode(StrEnum):
    """How the number of replicas is decided."""

    STEP = "Step"
    PROPORTIONAL = "Proportional"
    PREDICTIVE = "Predictive"
    EXTERNAL = "External"


class MetricType(StrEnum):
    """What can be compared with thresholds, with its unit."""

    CPU = "CPU"
    MEMORY = "Memory"
    RESPONSE_TIME = "ResponseTime"
    QUEUE_DEPTH = "QueueDepth"
    ERROR_RATE = "ErrorRate"


class Thresholds(NamedTuple):
    """Default thresholds of a metric, in its own unit."""

    up_above: int
    down_below: int | None


DEFAULT_THRESHOLDS: Final[dict[MetricType, Thresholds]] = {
    MetricType.CPU: Thresholds(70, 30),
    MetricType.MEMORY: Thresholds(80, 40),
    MetricType.RESPONSE_TIME: Thresholds(2000, 500),
    MetricType.QUEUE_DEPTH: Thresholds(100, 10),
    MetricType.ERROR_RATE: Thresholds(5, None),
}

# The thresholds in force, in CEL. No lower threshold is below every upper one.
_UP_DEFAULTS: Final = {str(metric): default.up_above for metric, default in DEFAULT_THRESHOLDS.items()}
_DOWN_DEFAULTS: Final = {
    str(metric): -1 if default.down_below is None else default.down_below
    for metric, default in DEFAULT_THRESHOLDS.items()
}
_UP_ABOVE: Final = f"(has(self.upAbove) ? self.upAbove : {_UP_DEFAULTS}[self.type])"
_DOWN_BELOW: Final = f"(has(self.downBelow) ? self.downBelow : {_DOWN_DEFAULTS}[self.type])"


class MetricSpec(Model):
    """Thresholds of one metric. Units: CPU and Memory per cent of requests, ResponseTime milliseconds,
    QueueDepth waiting items per replica, ErrorRate per cent of requests."""

    cel: ClassVar = (
        Rule(
            f"{_DOWN_BELOW} < {_UP_ABOVE}",
            "must have downBelow less than upAbove; one left out has the default of its type, so set both",
        ),
        Rule(
            "self.type != 'ErrorRate' || !has(self.upAbove) || self.upAbove < 100",
            "must be less than 100: ErrorRate is per cent of requests",
            at="upAbove",
        ),
    )

    type: Annotated[
        MetricType,
        Reserved(
            "use CPU or Memory",
            values=(MetricType.RESPONSE_TIME, MetricType.QUEUE_DEPTH, MetricType.ERROR_RATE),
        ),
    ]
    """The metric. ResponseTime, QueueDepth and ErrorRate are reserved for a later version."""
    up_above: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Scale up when the average is above this. Default by type: CPU 70, Memory 80, ResponseTime 2000,
    QueueDepth 100, ErrorRate 5."""
    down_below: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Scaling down needs the average below this. Default by type: CPU 30, Memory 40, ResponseTime 500,
    QueueDepth 10; ErrorRate has none and never holds a scale-down back."""


class AutoscalingSpec(Model):
    """Who changes the number of replicas, within which bounds, how fast. Leave the block out to set replicas
    by hand or by another tool."""

    cel: ClassVar = (
        Rule(
            "self.maxReplicas >= self.minReplicas",
            "must not be less than minReplicas; raise maxReplicas or lower minReplicas",
            at="maxReplicas",
        ),
        Rule(
            "self.stabilitySeconds == 0 || self.stabilitySeconds >= self.sampleSeconds",
            "must be 0, or at least sampleSeconds: a shorter window has no sample in it; raise it",
            at="stabilitySeconds",
        ),
    )

    mode: Annotated[
        ScalingMode,
        Reserved("use Step or External", values=(ScalingMode.PROPORTIONAL, ScalingMode.PREDICTIVE)),
    ] = ScalingMode.STEP
    """Step: one step up on any breach, one step down when all is quiet. External: an HPA, KEDA or a person
    owns the replicas. Proportional and Predictive are reserved for a later version."""
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Never fewer replicas than this."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 10
    """Never more replicas than this."""
    step: Annotated[int, Field(ge=1, le=100)] = 1
    """Replicas added or removed by one action in mode Step."""
    cooldown_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """No further action for this long after any action, in both directions."""
    scale_up_cooldown_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Overrides cooldownSeconds for scaling up. Default: cooldownSeconds."""
    stability_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """Scaling down needs all metrics below their thresholds for this long without a gap in the samples."""
    sample_seconds: Annotated[int, Field(ge=1, le=300)] = 15
    """Seconds between two samples, and between two decisions."""
    metrics: Annotated[list[MetricSpec] | None, Field(min_length=1, max_length=5), ListMap("type")] = None
    """What is compared with thresholds, one entry a type. Default: CPU and Memory."""
