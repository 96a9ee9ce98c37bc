"""The status of a RAGDeployment: what is so, and why."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from ragops.api.autoscaling import MetricType
from ragops.api.base import Model, ServiceType
from ragops.api.rules import ListMap


class StatusModel(Model):
    """A part of status. Unknown fields are dropped: an older operator must read a newer one's status."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )


class ConditionType(StrEnum):
    """The conditions of a RAGDeployment."""

    ACCEPTED = "Accepted"
    READY = "Ready"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SCALING_LIMITED = "ScalingLimited"


class Condition(StatusModel):
    """A condition as in the Kubernetes API conventions."""

    type: ConditionType
    """Kind of the condition."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    observed_generation: int | None = None
    """The generation of the object that this speaks of."""
    last_transition_time: datetime
    """When status last changed."""
    reason: Annotated[str, Field(max_length=128)]
    """One word for programs."""
    message: Annotated[str, Field(max_length=32_768)] = ""
    """A sentence for people."""


class ServiceState(StrEnum):
    """Where a service is in its life."""

    WAITING = "Waiting"
    STARTING = "Starting"
    READY = "Ready"
    UNAVAILABLE = "Unavailable"
    FAILED = "Failed"
    HALTED = "Halted"


class HealthState(StrEnum):
    """How a service is."""

    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    UNHEALTHY = "Unhealthy"
    UNKNOWN = "Unknown"


class HealthStatus(StatusModel):
    """The health of a service."""

    state: HealthState = HealthState.UNKNOWN
    """Healthy, Degraded, Unhealthy or Unknown."""
    response_time_ms: int | None = None
    """Mean response time at the last transition, in milliseconds: of the requests where health has a
    threshold, else of the operator's own checks."""
    error_count: int | None = None
    """At the last transition: requests that failed within a minute where health has a threshold, else pods
    whose last check failed."""
    last_transition: datetime | None = None
    """When state last changed."""
    caused_by: str | None = None
    """The failing upstream services, by name, that are the root of the trouble."""
    reason: str | None = None
    """Why it is not Healthy: one word for programs."""
    details: str | None = None
    """A sentence for people."""


class StartupStatus(StatusModel):
    """The first start of a service."""

    started_at: datetime | None = None
    """When the workload was first wanted."""
    ready_at: datetime | None = None
    """When the service was first ready."""
    waiting_for: list[str] = []
    """Services that are not ready yet and that this one waits for."""
    reason: str | None = None
    """Why it is not ready, or what the cluster refuses it although it is: one word for programs."""
    message: str | None = None
    """The same, and what to do: a sentence for people."""


class ScalingAction(StrEnum):
    """What the scaler wants."""

    UP = "Up"
    DOWN = "Down"
    HOLD = "Hold"


class ScalingInput(StatusModel):
    """One metric as it went into a decision. Units as in spec."""

    type: MetricType
    """The metric."""
    value: float | None = None
    """Average over ready pods; absent when there was none."""
    up_above: int | None = None
    """The upper threshold."""
    down_below: int | None = None
    """The lower threshold."""
    coverage_percent: int = 0
    """Share of the ready pods that were measured."""


class ScalingPeak(StatusModel):
    """The largest demand of a part of the stability window."""

    since: datetime
    """Begin of the part."""
    desired: int
    """Replicas that the metrics asked for at most."""


class ScalingChange(StatusModel):
    """A recent change of replicas, for the rate limits."""

    time: datetime
    """When it was made."""
    replicas: int
    """Replicas before it."""


class ForecastStatus(StatusModel):
    """What mode Predictive expects of the load, and how far that can be trusted."""

    requests_per_second: float
    """Load to be ready for."""
    seconds_ahead: int
    """How far ahead that is: until pods that are ordered now would be ready, and a sample more."""
    model: str
    """The model that was best of late: LastValue, Trend, Reverting or Seasonal."""
    error_percent: float | None = None
    """Mean error of that model of late, in per cent of the mean load."""
    last_value_error_percent: float | None = None
    """The same for taking the last value as the forecast."""
    requests_per_second_per_replica: float | None = None
    """Load that one replica carries at the response time's target, as learned."""
    capacity_error_percent: float | None = None
    """Standard error of that."""


class ScalingStatus(StatusModel):
    """The last scaling decision; inputs are those of the moment it last changed."""

    desired: int
    """Replicas wanted."""
    action: ScalingAction = ScalingAction.HOLD
    """Up, Down or Hold."""
    reason: str
    """Why: one word for programs."""
    message: str = ""
    """Why: a sentence for people."""
    inputs: list[ScalingInput] = []
    """What the decision saw."""
    stable_since: datetime | None = None
    """Since when all metrics have been below their lower thresholds, in mode Step, or have asked for fewer
    replicas, without a gap."""
    last_scale_time: datetime | None = None
    """When replicas were last changed."""
    cooldown_until: datetime | None = None
    """No action before this time."""
    peaks: Annotated[list[ScalingPeak], Field(max_length=16)] = []
    """The largest demands since stableSince, in modes Proportional and Predictive."""
    changes: Annotated[list[ScalingChange], Field(max_length=32)] = []
    """Changes of replicas within the periods of rateUp and rateDown."""
    forecast: ForecastStatus | None = None
    """In mode Predictive: the load that the decision was made for."""


class VersionStatus(StatusModel):
    """A version of a service: all that its pods are made from."""

    revision: str
    """Hash of it."""
    spec: dict[str, Any] = {}
    """Those fields of the service, as in spec, with the image that a default one stood for."""


class RolloutPhase(StrEnum):
    """Where a rollout is."""

    WAITING = "Waiting"
    """An upstream service is being updated first."""
    UPDATING = "Updating"
    """RollingUpdate: pods are replaced."""
    STARTING = "Starting"
    """The candidate's pods come up."""
    CHECKING = "Checking"
    """BlueGreen: all of the candidate is ready and must stay healthy for checkSeconds."""
    SHIFTING = "Shifting"
    """Canary: the candidate has the weight of a step."""
    PAUSED = "Paused"
    """It waits for more requests to judge by, or for a person."""
    SWITCHED = "Switched"
    """BlueGreen: the candidate has the traffic; the old version is kept for scaleDownDelaySeconds."""
    PROMOTING = "Promoting"
    """The service's own workload takes the new version, while the candidate serves."""
    ABORTED = "Aborted"
    """The old version serves; the candidate is gone."""


class RolloutStatus(StatusModel):
    """A rollout under way, or one that was aborted."""

    revision: str = ""
    """The new version."""
    target: VersionStatus | None = None
    """What it is made from: another operator may give that another revision. Absent where it is large."""
    phase: RolloutPhase = RolloutPhase.UPDATING
    """Where it is."""
    since: datetime | None = None
    """When this phase, or this step of it, began."""
    step: int | None = None
    """Canary: index of the step, from 0."""
    weight_percent: int = 0
    """Share of the requests meant for the candidate. Without the gateway it is only near: by ready pods."""
    waiting_for: list[str] = []
    """Upstream services that are updated first."""
    updated_replicas: int = 0
    """Pods of the new version."""
    ready_replicas: int = 0
    """Ready pods of the candidate."""
    old_command: str | None = None
    """What a person had told an earlier rollout of this version: it does not count for this one."""
    reason: str | None = None
    """Why it does not go on, or was aborted: one word for programs."""
    message: str | None = None
    """A sentence for people."""


class ServiceStatus(StatusModel):
    """What is known of one service."""

    name: str
    """Name of the service."""
    type: ServiceType
    """Type of the service."""
    state: ServiceState
    """Where the service is in its life."""
    replicas: int = 0
    """Pods that exist."""
    ready_replicas: int = 0
    """Pods that are ready."""
    health: HealthStatus = HealthStatus()
    """How the service is."""
    startup: StartupStatus = StartupStatus()
    """Its first start."""
    scaling: ScalingStatus | None = None
    """The last scaling decision; only with autoscaling."""
    rollout: RolloutStatus | None = None
    """The rollout; only while there is one, or after an abort."""
    stable: VersionStatus | None = None
    """The version that was last rolled out in full."""
    previous: VersionStatus | None = None
    """The one before it, for `kubectl rag rollout undo`. Absent where it is large."""


class GatewayState(StrEnum):
    """Where the gateway is in its life."""

    STARTING = "Starting"
    SERVING = "Serving"
    UNAVAILABLE = "Unavailable"
    DRAINING = "Draining"


class GatewayStatus(StatusModel):
    """What is known of the gateway."""

    state: GatewayState
    """Starting, Serving, Unavailable (the services go straight to their pods meanwhile) or Draining."""
    since: datetime | None = None
    """Since when."""
    replicas: int = 0
    """Pods that are wanted."""
    ready_replicas: int = 0
    """Pods that are ready."""
    reason: str | None = None
    """Why it is not as it should be: one word for programs."""
    message: str | None = None
    """A sentence for people."""
    fallback: list[str] = []
    """Services with strategy ResourceUsage that are balanced by LeastConnections, since the usage of their
    pods is missing or old."""
    panic: list[str] = []
    """Services of which no pod is good by what requests did or by the gateway's checks: all get requests."""


class Summary(StatusModel):
    """One line for `kubectl get rag`."""

    services: str = ""
    """Ready services of all, such as 5/6."""
    health: HealthState = HealthState.UNKNOWN
    """The worst health of all services."""
    scaling: str = ""
    """Replicas of the services that ragops scales."""


class RAGStatus(StatusModel):
    """What is so, and why."""

    observed_generation: int | None = None
    """The generation of the spec that this status speaks of."""
    conditions: Annotated[list[Condition], ListMap("type")] = []
    """Accepted, Ready, Progressing, Degraded, ScalingLimited."""
    services: Annotated[list[ServiceStatus], ListMap("name")] = []
    """Each service, by name."""
    gateway: GatewayStatus | None = None
    """The gateway; absent without one."""
    summary: Summary = Summary()
    """One line for `kubectl get rag`."""
