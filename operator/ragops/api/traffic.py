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
    """Seconds until the next step."""


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
    sticky_header: Annotated[str, Field(pattern=HEADER_NAME, max_length=64)] | None = None
    """Requests with the same value of this header go to the same version."""


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

    strategy: Annotated[
        RolloutStrategy,
        Reserved("use RollingUpdate", values=(RolloutStrategy.BLUE_GREEN, RolloutStrategy.CANARY)),
    ] = RolloutStrategy.ROLLING_UPDATE
    """The strategy. BlueGreen and Canary are reserved for a later version."""
    blue_green: Annotated[BlueGreenSpec | None, Reserved("remove the block")] = None
    """Settings of strategy BlueGreen. Reserved for a later version."""
    canary: Annotated[CanarySpec | None, Reserved("remove the block")] = None
    """Settings of strategy Canary. Reserved for a later version."""
