"""Kubernetes Events on transitions: what changed between two states of status, for `kubectl describe`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from ragops.api.names import API_VERSION, KIND
from ragops.api.rag import ObjectMeta
from ragops.api.status import (
    ConditionType,
    HealthState,
    RAGStatus,
    RolloutPhase,
    ScalingAction,
    ServiceState,
    ServiceStatus,
)
from ragops.health.finding import HealthReason
from ragops.orchestration.rollout import is_troubled

CONTROLLER: Final = "ragops.dev/operator"
NOTE_LIMIT: Final = 1000


@dataclass(frozen=True)
class Transition:
    """Something that changed, worth an Event."""

    reason: str
    note: str
    warning: bool = False


def transitions(old: RAGStatus, new: RAGStatus) -> Iterator[Transition]:
    """The transitions between two states of status."""
    before = {service.name: service for service in old.services}
    for service in new.services:
        yield from _of_service(before.get(service.name), service)
    yield from _of_conditions(old, new)


def _of_service(old: ServiceStatus | None, new: ServiceStatus) -> Iterator[Transition]:
    if old is None or old.state is not new.state:
        yield from _of_state(new)
    health = new.health
    sickened = old is not None and old.health.state is not health.state and health.state in _TROUBLED
    if sickened and health.reason != HealthReason.START_FAILED:  # told by the state
        yield Transition(f"Service{health.state}", f"{new.name}: {health.details}", warning=True)
    yield from _of_rollout(old, new)
    startup = new.startup
    told = {ServiceState.STARTING: "StartTroubled", ServiceState.READY: "ChangeRefused"}.get(new.state)
    if told and startup.reason and (old is None or old.startup.reason != startup.reason):
        note = f"{new.name}: {startup.reason}: {startup.message}"
        yield Transition(told, note, warning=True)
    scaling = new.scaling
    if scaling and scaling.action is not ScalingAction.HOLD and (old is None or old.scaling != scaling):
        yield Transition(
            f"Scaled{scaling.action}",
            f"{new.name}: to {scaling.desired}, {scaling.reason}: {scaling.message}",
        )


def _of_rollout(old: ServiceStatus | None, new: ServiceStatus) -> Iterator[Transition]:
    before, now = old.rollout if old else None, new.rollout
    if now is None:
        if before and old and old.stable and new.stable and old.stable.revision != new.stable.revision:
            yield Transition("RolloutComplete", f"{new.name}: revision {before.revision} is the stable one")
        return
    note = f"{new.name}: {now.message}"
    if before is None or (before.revision, before.phase, before.step) != (now.revision, now.phase, now.step):
        yield Transition(f"Rollout{now.phase}", note, warning=now.phase is RolloutPhase.ABORTED)
    troubled = is_troubled(now) and now.phase is not RolloutPhase.ABORTED
    if troubled and (before is None or before.reason != now.reason):
        yield Transition("RolloutStuck", note, warning=True)


def _of_state(service: ServiceStatus) -> Iterator[Transition]:
    startup = service.startup
    match service.state:
        case ServiceState.STARTING:
            yield Transition("ServiceStarting", f"{service.name} is starting")
        case ServiceState.READY:
            yield Transition("ServiceReady", f"{service.name} is ready")
        case ServiceState.FAILED | ServiceState.UNAVAILABLE:
            why = f": {startup.reason}: {startup.message}" if startup.reason else ""
            yield Transition(
                f"Service{service.state}", f"{service.name} is {service.state}{why}", warning=True
            )
        case ServiceState.HALTED:
            yield Transition("ServiceHalted", f"{service.name}: {startup.message}", warning=True)
        case ServiceState.WAITING:
            pass  # told by the services that it waits for


def _of_conditions(old: RAGStatus, new: RAGStatus) -> Iterator[Transition]:
    before = {condition.type: condition for condition in old.conditions}
    for condition in new.conditions:
        previous = before.get(condition.type)
        changed = previous is None or (previous.status, previous.message) != (
            condition.status,
            condition.message,
        )
        if condition.type is ConditionType.ACCEPTED and condition.status == "False" and changed:
            yield Transition("Rejected", condition.message, warning=True)
        if condition.type is ConditionType.READY and (not previous or previous.status != condition.status):
            if condition.status == "True":
                yield Transition("Ready", condition.message)
            elif previous is not None and condition.status == "False":  # Unknown: rejected, and told so
                yield Transition("NotReady", condition.message, warning=True)


def event_manifest(
    meta: ObjectMeta, transition: Transition, instance: str, now: datetime
) -> Mapping[str, Any]:
    """The Event object of a transition. Of the core API: kubectl sorts by lastTimestamp, which the newer
    events.k8s.io does not let anybody set."""
    stamp = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{meta.name}.{uuid4().hex[:16]}", "namespace": meta.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
        },
        "type": "Warning" if transition.warning else "Normal",
        "reason": transition.reason,
        "message": transition.note[:NOTE_LIMIT],
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
        "source": {"component": CONTROLLER},
        "reportingComponent": CONTROLLER,
        "reportingInstance": instance[:128],
    }


_TROUBLED: Final = (HealthState.DEGRADED, HealthState.UNHEALTHY)
