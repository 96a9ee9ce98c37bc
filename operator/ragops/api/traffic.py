"""spec.services[].loadBalancing and .rollout: which pods of a service get its requests."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from ragops.api.base import COOKIE_NAME, HEADER_NAME, Model
from ragops.api.rules import Fault, Rule


class LoadBalancingStrategy(StrEnum):
    """How the gateway spreads requests over pods."""

    ROUND_ROBIN = "RoundRobin"
    LEAST_CONNECTIONS = "LeastConnections"
    RESPONSE_TIME = "ResponseTime"
    RESOURCE_USAGE = "ResourceUsage"


class RetriesSpec(Model):
    """What the gateway does with a request that failed at one pod: it asks another one.

    A try that reached no pod is repeated for every request. A try that reached one is repeated for idempotent
    methods only (GET, HEAD, OPTIONS, PUT, DELETE), after the answers 500, 502 and 503, no answer, or none in
    time."""

    attempts: Annotated[int, Field(ge=0, le=5)] = 2
    """Tries after the first one, at most. 0: never another try."""
    budget_percent: Annotated[int, Field(ge=0, le=100)] = 20
    """Retries that the recent requests may have, as a share of them; with more the first failure is the
    answer. 0: only tries that reached no pod are repeated."""
    answer_timeout_ms: Annotated[int, Field(ge=50, le=3_600_000)] | None = None
    """Milliseconds that one try of an idempotent request may take to the first byte of its answer; the answer
    may then pause no longer than this either, so requests for event streams are exempt. Default:
    responseTimeoutSeconds."""


class RateLimitSubject(StrEnum):
    """What makes requests count as those of one client."""

    ADDRESS = "Address"
    HEADER = "Header"


class ClientRateLimitSpec(Model):
    """How many requests one client may send. Each gateway pod counts by itself."""

    cel: ClassVar = (
        Rule(
            "self.by != 'Header' || has(self.header)",
            "is missing; by: Header needs the header's name",
            at="header",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!has(self.header) || self.by == 'Header'",
            "is only for by: Header; remove it or change by",
            at="header",
            fault=Fault.FORBIDDEN,
        ),
    )

    requests_per_second: Annotated[int, Field(ge=1, le=100_000)]
    """Requests of one client in a second; more are answered 429."""
    by: RateLimitSubject = RateLimitSubject.ADDRESS
    """Address: the address that the connection comes from. Header: the value of a header, such as an API key;
    requests without it count by address."""
    header: Annotated[str, Field(pattern=HEADER_NAME, max_length=64)] | None = None
    """The header's name."""


class LoadBalancingSpec(Model):
    """How the gateway treats this service."""

    cel: ClassVar = (
        Rule(
            "has(self.maxConcurrent) || !has(self.maxQueue)",
            "needs maxConcurrent, without which no request waits; set that too or remove this",
            at="maxQueue",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.retries) || !has(self.retries.answerTimeoutMs) || "
            "self.retries.answerTimeoutMs <= self.responseTimeoutSeconds * 1000",
            "must not be more than responseTimeoutSeconds; lower it or raise that",
            at="retries.answerTimeoutMs",
        ),
    )

    strategy: LoadBalancingStrategy = LoadBalancingStrategy.RESPONSE_TIME
    """How requests are spread over the pods."""
    max_concurrent: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Requests under way in one pod, at most; further ones wait. Each gateway pod has an equal share of it,
    rounded up. Default: no limit."""
    max_queue: Annotated[int, Field(ge=0, le=100_000)] | None = None
    """Requests that may wait for a pod; more are answered 503 at once. Each gateway pod has an equal share,
    rounded up. Default: no limit but queueTimeoutSeconds."""
    queue_timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 10
    """Seconds a request may wait for a pod; then it is answered 503."""
    response_timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 600
    """Seconds that a pod may be silent, before its answer or within it; then the request fails."""
    retries: RetriesSpec = RetriesSpec()
    """Further tries of failed requests."""
    rate_limit: ClientRateLimitSpec | None = None
    """A limit for each client. Default: none."""


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
        Rule(
            "!has(self.stickyHeader) || !has(self.stickyCookie)",
            "must not be set together with stickyHeader; keep one of them",
            at="stickyCookie",
            fault=Fault.FORBIDDEN,
        ),
    )

    steps: Annotated[list[CanaryStep], Field(min_length=1, max_length=20)]
    """The steps, in order."""
    analysis: CanaryAnalysisSpec = CanaryAnalysisSpec()
    """What the new version is judged by."""
    sticky_header: Annotated[
        str | None,
        Field(pattern=HEADER_NAME, max_length=64),
    ] = None
    """Requests with the same value of this header go to the same version. Without the gateway it has no
    effect."""
    sticky_cookie: Annotated[
        str | None,
        Field(pattern=COOKIE_NAME, max_length=64),
    ] = None
    """Requests with the same value of this cookie go to the same version; a client without it gets one.
    Without the gateway it has no effect."""


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
