"""spec.services[].autoscaling: bounds, pace and thresholds of one service's replicas."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, NamedTuple

from pydantic import Field

from ragops.api.base import HTTP_PATH, METRIC_NAME, Model
from ragops.api.rules import Fault, ListMap, Rule


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
        Rule(
            "!has(self.percentile) || self.type == 'ResponseTime'",
            "must be left out: only a ResponseTime has percentiles",
            at="percentile",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.percentile) || !has(self.query)",
            "must be left out: the query says what is measured",
            at="percentile",
            fault=Fault.FORBIDDEN,
        ),
    )

    type: MetricType
    """The metric."""
    up_above: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Scale up when the average is above this; modes Proportional and Predictive aim at it. Default by type:
    CPU 70, Memory 80, ResponseTime 2000, QueueDepth 100, ErrorRate 5."""
    down_below: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Scaling down needs the average below this, in mode Step. Default by type: CPU 30, Memory 40,
    ResponseTime 500, QueueDepth 10; ErrorRate has none and never holds a scale-down back."""
    percentile: Annotated[int, Field(ge=1, le=99)] | None = None
    """Of a ResponseTime: compare this percentile, from the histogram's buckets, in place of the mean."""
    query: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """PromQL to ask the Prometheus server for, which the operator's administrator has named, in place of the
    default source. The result is one value for the whole service, in the unit of the metric; QueueDepth: per
    replica. `$namespace`, `$rag` and `$service` stand for this object's names."""


class EndpointSpec(Model):
    """Where the pods tell Prometheus about themselves, and by which names. The defaults are those of the
    reference images."""

    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """Port of the container. Default: the one that serves requests."""
    path: Annotated[str, Field(pattern=HTTP_PATH, max_length=256)] = "/metrics"
    """Path of the endpoint."""
    request_seconds: Annotated[str, Field(pattern=METRIC_NAME, max_length=128)] = (
        "ragservices_request_seconds"
    )
    """Histogram of response times in seconds. Its count gives the arrivals."""
    requests: Annotated[str, Field(pattern=METRIC_NAME, max_length=128)] = "ragservices_requests_total"
    """Counter of all requests."""
    errors: Annotated[str, Field(pattern=METRIC_NAME, max_length=128)] = "ragservices_errors_total"
    """Counter of those requests that failed."""
    queue_depth: Annotated[str, Field(pattern=METRIC_NAME, max_length=128)] = "ragservices_queue_depth"
    """Gauge of waiting items."""


class RateLimit(Model):
    """How fast replicas may change: by the larger of the two numbers in any period."""

    replicas: Annotated[int, Field(ge=1, le=1000)] = 4
    """Replicas in a period."""
    percent: Annotated[int, Field(ge=0, le=1000)] = 100
    """Per cent of the replicas at the period's begin."""
    period_seconds: Annotated[int, Field(ge=1, le=3600)] = 15
    """Length of the period."""


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
            "!has(self.stabilitySeconds) || self.stabilitySeconds == 0 || "
            "self.stabilitySeconds >= self.sampleSeconds",
            "must be 0, or at least sampleSeconds: a shorter window has no sample in it; raise it",
            at="stabilitySeconds",
        ),
        # The API server takes a whole 0 for no less than 0.01: it compares whole numbers.
        Rule(
            "self.targetViolationPercent > 0.0",
            "must be at least 0.01: no number of replicas is never too small",
            at="targetViolationPercent",
        ),
    )

    mode: ScalingMode = ScalingMode.STEP
    """Step: one step up on any breach, one step down when all is quiet. Proportional: as many replicas as the
    metrics need to be at their targets. Predictive: Proportional on the load that is expected when pods that
    are ordered now will be ready. External: an HPA, KEDA or a person owns the replicas."""
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 1
    """Never fewer replicas than this."""
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 10
    """Never more replicas than this."""
    step: Annotated[int, Field(ge=1, le=100)] = 1
    """Replicas added or removed by one action in mode Step, and added for an ErrorRate in any mode."""
    cooldown_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """No further action for this long after any action, in both directions. Default: 300, in mode Predictive
    0."""
    scale_up_cooldown_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Overrides cooldownSeconds for scaling up. Default: cooldownSeconds, in modes Proportional and
    Predictive 0."""
    stability_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Scaling down needs fewer replicas to be enough for this long, without a gap in the samples. Default:
    300, in mode Predictive 15; not less than sampleSeconds."""
    sample_seconds: Annotated[int, Field(ge=1, le=300)] = 15
    """Seconds between two samples, and between two decisions."""
    metrics: Annotated[list[MetricSpec] | None, Field(min_length=1, max_length=5), ListMap("type")] = None
    """What is compared with thresholds, one entry a type. Default: all five types for the reference images,
    CPU and Memory for images of your own."""
    endpoint: EndpointSpec = EndpointSpec()
    """Where ResponseTime, QueueDepth, ErrorRate and the arrivals are measured."""
    tolerance_percent: Annotated[int, Field(ge=0, le=50)] = 10
    """A metric this close to its target changes nothing, in modes Proportional and Predictive."""
    rate_up: RateLimit = RateLimit()
    """How fast replicas may be added in modes Proportional and Predictive."""
    rate_down: RateLimit = RateLimit()
    """How fast replicas may be removed in modes Proportional and Predictive."""
    panic_percent: Annotated[int, Field(ge=110, le=1000)] = 200
    """A demand of this many per cent of the ready replicas is met at once, whatever rateUp and cooldown, in
    modes Proportional and Predictive."""
    target_violation_percent: Annotated[float, Field(ge=0.01, le=20)] = 1.0
    """The share of requests that may be late, in mode Predictive: less costs more replicas."""
