"""spec.services[].loadBalancing and .rollout: which pods of a service get its requests."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from ragops.api.base import HEADER_NAME, Model
from ragops.api.problems import Reserved
from ragops.api.rules import Fault, Rule


class LoadBalancingStrategy(StrEnum):
    """How the gateway spreads requests over pods."""

    ROUND_ROBIN = "RoundRobin"
    LEAST_CONNECTIONS = "LeastConnections"
    RESPONSE_TIME = "ResponseTime"
    RESOURCE_USAGE = "ResourceUsage"


class LoadBalancingSpec(Model):
    """How the gateway treats this service. Reserved for a later version: needs the gateway."""

    strategy: LoadBalancingStrategy = LoadBalancingStrategy.RESPONSE_TIME
    """How requests are spread over the pods."""
    max_concurrent: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests under way in one pod, at most."""
    max_queue: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Requests that may wait; more are answered 503."""
    queue_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] | None = None
    """Seconds a request may wait."""


class RolloutStrategy(StrEnum):
    """How a new version replaces the old one."""

    ROLLING_UPDATE = "RollingUpdate"
    BLUE_GREEN = "BlueGreen"
    CANARY = "Canary"


class Promotion(StrEnum):
    """Who ends a rollout that went well."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class BlueGreenSpec(Model):
    """A second workload at full size, then a switch."""

    check_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    """Seconds the new version must stay healthy before the switch."""
    scale_down_delay_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """Seconds the old version is kept after the switch, for an instant way back."""


class CanaryStep(Model):
    """One step of a canary rollout."""

    weight_percent: Annotated[int, Field(ge=0, le=100)]
    """Share of the requests that goes to the new version."""
    pause_seconds: Annotated[int, Field(ge=0, le=604_800)] = 60
    """Seconds until the next step, at least: the new version must also have been judged good."""


class CanaryAnalysisSpec(Model):
    """What the new version is judged by at each step, against the old one in the same time."""

    min_requests: Annotated[int, Field(ge=0, le=1_000_000)] = 50
    """Requests that each version must have answered in the step to be judged; with fewer the step goes on,
    and is reported as inconclusive. 0: no judgement, the pauses alone decide."""
    max_error_increase_percent: Annotated[int, Field(ge=0, le=100)] = 5
    """Percentage points by which its share of failed requests may be above the old version's."""
    max_response_time_increase_percent: Annotated[int, Field(ge=0, le=10_000)] = 50
    """Per cent by which its mean response time may be above the old version's."""


class CanarySpec(Model):
    """A share of the traffic to the new version, growing in steps; also used for A/B tests."""

    cel: ClassVar = (
        Rule(
            "self.steps.map(s, s.weightPercent).isSorted() && "
            "self.steps.all(a, self.steps.exists_one(b, b.weightPercent == a.weightPercent))",
            "must have a higher weightPercent at each step than at the one before; put them in rising order",
            at="steps",
        ),
    )

    steps: Annotated[list[CanaryStep], Field(min_length=1, max_length=20)]
    """The steps, in order."""
    analysis: CanaryAnalysisSpec = CanaryAnalysisSpec()
    """What the new version is judged by."""
    sticky_header: Annotated[
        str | None,
        Field(pattern=HEADER_NAME, max_length=64),
        Reserved("remove it; it needs the gateway"),
    ] = None
    """Requests with the same value of this header go to the same version. Reserved for a later version:
    needs the gateway."""


class RolloutSpec(Model):
    """How a new version of this service replaces the old one."""

    cel: ClassVar = (
        Rule(
            "!has(self.blueGreen) || self.strategy == 'BlueGreen'",
            "is only for strategy BlueGreen; remove the block or change the strategy",
            at="blueGreen",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.canary) || self.strategy == 'Canary'",
            "is only for strategy Canary; remove the block or change the strategy",
            at="canary",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "self.strategy != 'Canary' || has(self.canary)",
            "is missing; strategy Canary needs its steps",
            at="canary",
            fault=Fault.REQUIRED,
        ),
    )

    strategy: RolloutStrategy = RolloutStrategy.ROLLING_UPDATE
    """RollingUpdate replaces pod by pod; BlueGreen brings up all of the new version and switches; Canary
    gives the new version a growing share."""
    promotion: Promotion = Promotion.AUTOMATIC
    """Manual: a BlueGreen switch, or the end of a Canary's last step, waits for
    `kubectl rag rollout promote`."""
    blue_green: BlueGreenSpec | None = None
    """Settings of strategy BlueGreen. Default: those of the block."""
    canary: CanarySpec | None = None
    """Settings of strategy Canary."""
