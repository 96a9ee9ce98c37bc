"""The conditions and the summary of a RAGDeployment, from the status of its services."""

from collections.abc import Sequence, Set
from datetime import datetime
from typing import TypeGuard

from ragops.api.problems import Problem, Reason
from ragops.api.status import (
    Condition,
    ConditionType,
    GatewayState,
    GatewayStatus,
    HealthState,
    RolloutPhase,
    ServiceState,
    ServiceStatus,
    Summary,
)
from ragops.health.finding import HealthReason
from ragops.orchestration.rollout import is_troubled
from ragops.scaling.decision import ScalingReason

_SEVERITY = (HealthState.HEALTHY, HealthState.UNKNOWN, HealthState.DEGRADED, HealthState.UNHEALTHY)
_MESSAGE_LIMIT = 4096
_LIMITS = (ScalingReason.OWNED_BY_OTHERS.value, ScalingReason.AT_MAXIMUM.value)
"""What keeps ragops from scaling a service, the graver first: the condition has room for one reason."""


def accepted(problems: Sequence[Problem]) -> Condition:
    """Whether the spec can be acted on. The times of all conditions here are set by `merge`."""
    if not problems:
        return _condition(ConditionType.ACCEPTED, True, "Accepted", "")
    only_missing = all(problem.reason is Reason.NOT_IMPLEMENTED for problem in problems)
    reason = Reason.NOT_IMPLEMENTED if only_missing else Reason.INVALID
    message = "; ".join(str(problem) for problem in problems)
    return _condition(ConditionType.ACCEPTED, False, reason.value, message[:_MESSAGE_LIMIT])


def unfollowed(started: bool) -> list[Condition]:
    """Ready and Progressing while the spec is not accepted. `started`: an earlier spec was, and runs on."""
    text = "spec was not accepted: see the condition Accepted"
    if not started:
        return [
            _condition(ConditionType.READY, False, "NotAccepted", text),
            _condition(ConditionType.PROGRESSING, False, "NotAccepted", text),
        ]
    text += "; what runs is left as it is, and is neither repaired, scaled nor followed in status"
    ready = _condition(ConditionType.READY, False, "NotAccepted", text).model_copy(
        update={"status": "Unknown"}
    )
    return [ready, _condition(ConditionType.PROGRESSING, False, "NotAccepted", text)]


def of_services(
    services: Sequence[ServiceStatus],
    paused: bool,
    optional: Set[str] = frozenset(),
    gateway: GatewayStatus | None = None,
) -> list[Condition]:
    """Ready, Progressing, Degraded and ScalingLimited. The `optional` services have no say in Ready."""
    ready = _ready(services, optional)
    return [ready, _progressing(services, paused), _degraded(services, gateway), _limited(services)]


def merge(
    previous: Sequence[Condition], current: Sequence[Condition], generation: int, now: datetime
) -> list[Condition]:
    """The current conditions with their times: lastTransitionTime moves only with the status.

    Conditions that `current` does not speak of stay as they were.
    """
    old = {condition.type: condition for condition in previous}
    merged = dict(old)
    for condition in current:
        before = old.get(condition.type)
        since = before.last_transition_time if before and before.status == condition.status else now
        merged[condition.type] = condition.model_copy(
            update={"last_transition_time": since, "observed_generation": generation}
        )
    return [merged[kind] for kind in ConditionType if kind in merged]


def summarize(services: Sequence[ServiceStatus]) -> Summary:
    """The line of `kubectl get rag`."""
    ready = sum(s.state is ServiceState.READY for s in services)
    scaled = [s for s in services if s.scaling is not None]
    return Summary(
        services=f"{ready}/{len(services)}",
        health=max((s.health.state for s in services), key=_SEVERITY.index, default=HealthState.UNKNOWN),
        scaling=", ".join(f"{s.name}={s.scaling.desired}" for s in scaled if s.scaling)[:200],
    )


def _ready(services: Sequence[ServiceStatus], optional: Set[str]) -> Condition:
    down = [
        s for s in services if s.state is not ServiceState.READY or s.health.state is HealthState.UNHEALTHY
    ]
    needed = [s for s in down if s.name not in optional]
    if not needed:
        text = "all services are ready"
        if down:
            text += f" but {', '.join(s.name for s in down)}, which no other needs"
        return _condition(ConditionType.READY, True, "AllServicesReady", text)
    missing = [s for s in needed if s.state is not ServiceState.READY]
    failing = [s for s in needed if s not in missing]
    whys = [(s, _why(s)) for s in missing] + [(s, _ill(s)) for s in failing]
    text = "; ".join(f"{why}{_reach(s, services)}" for s, why in whys)
    reason = "ServicesNotReady" if missing else "ServicesUnhealthy"
    return _condition(ConditionType.READY, False, reason, text)


def _progressing(services: Sequence[ServiceStatus], paused: bool) -> Condition:
    if paused:
        return _condition(
            ConditionType.PROGRESSING, False, "Paused", "spec.paused is true: nothing is changed"
        )
    starting = [s.name for s in services if s.state in (ServiceState.WAITING, ServiceState.STARTING)]
    updating = [s.name for s in services if s.rollout and s.rollout.phase is not RolloutPhase.ABORTED]
    if starting:
        return _condition(ConditionType.PROGRESSING, True, "Starting", f"starting: {', '.join(starting)}")
    if updating:
        return _condition(ConditionType.PROGRESSING, True, "Updating", f"updating: {', '.join(updating)}")
    return _condition(ConditionType.PROGRESSING, False, "Settled", "")


def _degraded(services: Sequence[ServiceStatus], gateway: GatewayStatus | None) -> Condition:
    """The graver reason first; all are told. What an upstream has caused is told with that one."""
    failed = [s for s in services if s.state is ServiceState.FAILED]
    aborted = [s for s in services if s.rollout and s.rollout.phase is RolloutPhase.ABORTED]
    stuck = [s for s in services if s.rollout and s not in aborted and is_troubled(s.rollout)]
    refused = [s for s in services if s.state is ServiceState.READY and s.startup.reason and not s.rollout]
    ill = [s for s in services if s not in failed and is_ill_itself(s)]
    troubles = [
        ("StartFailed", [f"{_why(s)}{_reach(s, services)}" for s in failed]),
        ("RolloutAborted", [f"{s.name}: {s.rollout.message}" for s in aborted if s.rollout]),
        ("RolloutStuck", [f"{s.name}: {s.rollout.message}" for s in stuck if s.rollout]),
        ("ChangesRefused", [_why(s) for s in refused]),
        ("GatewayUnavailable", [f"the gateway: {gateway.message}"] if _is_down(gateway) else []),
        ("ServicesDegraded", [f"{_ill(s)}{_reach(s, services)}" for s in ill]),
    ]
    texts = [text for _, found in troubles for text in found]
    if texts:
        reason = next(reason for reason, found in troubles if found)
        return _condition(ConditionType.DEGRADED, True, reason, "; ".join(texts))
    return _condition(ConditionType.DEGRADED, False, "NoTrouble", "")


def _is_down(gateway: GatewayStatus | None) -> TypeGuard[GatewayStatus]:
    """It does not serve, and not because it has just been asked for."""
    if gateway is None or gateway.state is GatewayState.DRAINING:
        return False
    return gateway.state is GatewayState.UNAVAILABLE or gateway.reason is not None


def is_ill_itself(service: ServiceStatus) -> bool:
    """Something is wrong with the service itself, not only with one that it depends on."""
    health = service.health
    bad = health.state in (HealthState.DEGRADED, HealthState.UNHEALTHY)
    return bad and health.reason != HealthReason.UPSTREAM_UNHEALTHY


def _ill(service: ServiceStatus) -> str:
    return f"{service.name} is {service.health.state}: {service.health.details}"


def _reach(root: ServiceStatus, services: Sequence[ServiceStatus]) -> str:
    """Which services the trouble of this one reaches."""
    names = [s.name for s in services if root.name in (s.health.caused_by or "").split(", ")]
    return f", which degrades {', '.join(names)}" if names else ""


def _limited(services: Sequence[ServiceStatus]) -> Condition:
    limited = [(s.name, s.scaling) for s in services if s.scaling and s.scaling.reason in _LIMITS]
    if limited:
        reason = min((scaling.reason for _, scaling in limited), key=_LIMITS.index)
        text = "; ".join(f"{name}: {scaling.message}" for name, scaling in limited)
        return _condition(ConditionType.SCALING_LIMITED, True, reason, text)
    return _condition(ConditionType.SCALING_LIMITED, False, "WithinBounds", "")


def _why(service: ServiceStatus) -> str:
    startup = service.startup
    if startup.waiting_for:
        return f"{service.name} is {service.state}, waiting for {', '.join(startup.waiting_for)}"
    if startup.reason:
        return f"{service.name} is {service.state} ({startup.reason}: {startup.message})"
    return f"{service.name} is {service.state}"


def _condition(kind: ConditionType, status: bool, reason: str, message: str) -> Condition:
    return Condition(
        type=kind,
        status=str(status),
        last_transition_time=datetime.min,
        reason=reason,
        message=message[:_MESSAGE_LIMIT],
    )
