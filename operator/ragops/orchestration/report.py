"""The status of a RAGDeployment, from what a pass has found out about its services."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime

from ragops.api.rag import RAGDeployment
from ragops.api.status import (
    GatewayStatus,
    HealthStatus,
    RAGStatus,
    RolloutStatus,
    ScalingAction,
    ScalingStatus,
    ServiceStatus,
)
from ragops.orchestration.conditions import accepted, merge, of_services, summarize
from ragops.orchestration.graph import optional
from ragops.orchestration.known import Known, serving_workload
from ragops.orchestration.rollout import Outcome
from ragops.orchestration.rollout_case import not_ready
from ragops.orchestration.rollout_rolling import told
from ragops.orchestration.startup import timeout_at
from ragops.orchestration.times import next_second
from ragops.resources.child import ChildRef
from ragops.scaling.choice import remember
from ragops.scaling.decision import Decision


def report(
    rag: RAGDeployment,
    services: Sequence[Known],
    applied: Set[ChildRef],
    decisions: Mapping[str, Decision],
    healths: Mapping[str, HealthStatus],
    rollouts: Mapping[str, Outcome],
    gateway: GatewayStatus | None,
    now: datetime,
) -> RAGStatus:
    """The status after a pass that applies the children `applied` and carries the decisions out."""
    stamp = now.replace(microsecond=0)
    by_name = {
        s.spec.name: _service_status(
            s,
            healths[s.spec.name],
            decisions.get(s.spec.name),
            _versions(s, rollouts[s.spec.name], s.ref in applied, now),
            now,
        )
        for s in services
    }
    ordered = [by_name[spec.name] for spec in rag.spec.services]
    conditions = [accepted(()), *of_services(ordered, rag.spec.paused, optional(rag.spec.services), gateway)]
    return RAGStatus(
        observed_generation=rag.metadata.generation,
        conditions=merge(rag.status.conditions, conditions, rag.metadata.generation, stamp),
        services=ordered,
        gateway=gateway,
        summary=summarize(ordered),
    )


def undone(status: RAGStatus, before: RAGStatus, names: Set[str]) -> RAGStatus:
    """The status with the scaling of these services as it was: their replicas could not be changed."""
    old = {service.name: service.scaling for service in before.services}
    services = [
        service.model_copy(update={"scaling": _unwatched(old.get(service.name))})
        if service.name in names
        else service
        for service in status.services
    ]
    return status.model_copy(update={"services": services, "summary": summarize(services)})


def _service_status(
    service: Known,
    health: HealthStatus,
    decision: Decision | None,
    versions: Outcome,
    now: datetime,
) -> ServiceStatus:
    workload = serving_workload(service.workload, service.candidate, service.traffic)
    return ServiceStatus(
        name=service.spec.name,
        type=service.spec.type,
        state=service.progress.state,
        replicas=workload.total if workload else 0,
        ready_replicas=service.ready,
        health=health,
        startup=service.progress.startup,
        scaling=_scaling_status(service, decision, now),
        rollout=versions.status,
        stable=versions.stable,
        previous=versions.previous,
    )


def _versions(service: Known, outcome: Outcome, applied: bool, now: datetime) -> Outcome:
    if outcome.status is not None:
        return outcome
    return replace(outcome, status=_same_version(service, outcome.variants.own.revision, applied, now))


def _same_version(service: Known, revision: str, applied: bool, now: datetime) -> RolloutStatus | None:
    """While the pods of a service that was ready before become those of its stable version: something that is
    no part of a version has changed in them, or a new version was taken back.
    """
    workload, before = service.workload, service.previous.rollout if service.previous else None
    if workload is None or not service.was_ready:
        return None
    if not applied and not workload.settled:
        return before  # the counts are of the version before
    if not applied and workload.updated == workload.total:
        return None  # replicas may be on their way up or down, all of the current version
    updated = 0 if applied else workload.updated
    goes_on = before is not None and (before.revision, before.updated_replicas) == (revision, updated)
    since = (before.since if before and goes_on else None) or next_second(now)
    late = now >= timeout_at(service.spec, since)
    trouble = service.own_trouble or (not_ready(service.spec) if late else None)
    return RolloutStatus(
        revision=revision,
        since=since,
        updated_replicas=updated,
        reason=trouble.reason if trouble else None,
        message=told(updated, workload.wanted, service.ready, trouble),
    )


def _scaling_status(service: Known, decision: Decision | None, now: datetime) -> ScalingStatus | None:
    """The decision as status keeps it: an unchanged one keeps the inputs it was made with."""
    before = service.previous.scaling if service.previous else None
    if decision is None:
        # Nothing was decided, so nobody watched whether the calm went on; the rest still holds.
        return _unwatched(before) if service.scaled else None
    policy = service.spec.autoscaling
    assert policy is not None, "there is no decision without"
    stamp = next_second(now)
    state = remember(decision, service.replicas, service.scaling_state(stamp), policy, stamp)
    status = ScalingStatus(
        desired=decision.desired,
        action=decision.action,
        reason=decision.reason,
        message=decision.message,
        inputs=list(decision.inputs),
        stable_since=state.stable_since,
        last_scale_time=state.last_scale_time,
        cooldown_until=next_second(decision.cooldown_until) if decision.cooldown_until else None,
        peaks=list(state.peaks),
        changes=list(state.changes),
        forecast=decision.forecast,
    )
    if before is None or decision.action is not ScalingAction.HOLD:
        return status
    # These move with every sample; told are those of the decision's first time, and a forecast when it comes
    # or goes. An old change is forgotten with the next one.
    still = before.forecast is not None and decision.forecast is not None
    volatile = {
        "message": before.message,
        "inputs": before.inputs,
        "forecast": before.forecast if still else decision.forecast,
        "changes": before.changes,
    }
    return before if status.model_copy(update=volatile) == before else status


def calm_forgotten(service: ServiceStatus) -> ServiceStatus:
    """The status of a service whose scaler remembers no stability."""
    return service.model_copy(update={"scaling": _unwatched(service.scaling)})


def _unwatched(scaling: ScalingStatus | None) -> ScalingStatus | None:
    return scaling.model_copy(update={"stable_since": None, "peaks": []}) if scaling else None
