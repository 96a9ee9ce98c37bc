"""`kubectl rag explain`: why a service is as it is, and what comes next, in sentences."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from ragops.api.problems import Reason
from ragops.api.status import ConditionType, HealthState, ServiceState, ServiceStatus
from ragops.cli.rollout import describe
from ragops.cli.scaling import explain_scaling
from ragops.cli.status import is_ill, remarks
from ragops.cli.system import ServiceView, System
from ragops.cli.text import told
from ragops.cli.times import moment, since
from ragops.orchestration.conditions import is_ill_itself

_ILL = (HealthState.DEGRADED, HealthState.UNHEALTHY)


@dataclass(frozen=True)
class Section:
    """A heading with sentences, the most telling first."""

    title: str
    lines: tuple[str, ...]


def explain(system: System, name: str | None, now: datetime) -> list[Section]:
    """One service in full, or what is to be said of all. Raises Failure for an unknown service."""
    sections = list(_system_sections(system))
    if name is not None:
        return [*sections, *_service_sections(system, system.service(name), now)]
    if system.status.services:
        sections += _overview(system, now)
    return sections


def _system_sections(system: System) -> Iterator[Section]:
    """What stands above everything else."""
    if notes := tuple(remarks(system)):
        yield Section("Note", notes)
    accepted = system.condition(ConditionType.ACCEPTED)
    if accepted and accepted.status == "False":
        beyond = accepted.reason == Reason.NOT_IMPLEMENTED
        mend = "take it out of the spec" if beyond else "correct the spec and apply it"
        yield Section(
            f"Not accepted: {accepted.reason}",
            (accepted.message, f"next: {mend}; what runs is left as it is"),
        )


def _overview(system: System, now: datetime) -> Iterator[Section]:
    """The causes first, then whom they concern, then what is under way."""
    troubled: list[str] = []
    for service in system.services:
        status = service.status
        if status is None or not _is_cause(status):
            continue
        troubled.append(service.name)
        yield Section(_headline(service), (*_state(system, service, now), *_health(system, service, now)))
    affected = tuple(
        f"{service.name} {effect}"
        for service in system.services
        if service.name not in troubled and (effect := _effect(service.status))
    )
    if affected:
        yield Section("Because of that" if troubled else "On the way", affected)
    for service in system.services:
        if service.status and service.status.rollout:
            yield Section(f"Rollout of {service.name}", tuple(describe(system, service, now)))
    limited = system.condition(ConditionType.SCALING_LIMITED)
    if limited and limited.status == "True":
        yield Section(f"Scaling is limited: {limited.reason}", (limited.message,))
    fine = [s.name for s in system.services if s.status and _is_fine(s.status)]
    if fine:
        what = "All services are ready and healthy" if len(fine) == len(system.services) else "Fine"
        yield Section(what, (", ".join(fine),))
    yield Section("More", (f"kubectl rag explain {system.name} SERVICE",))


def _service_sections(system: System, service: ServiceView, now: datetime) -> Iterator[Section]:
    if service.status is None:
        yield Section(service.name, ("the operator has not seen this service yet",))
        return
    lines = (*_state(system, service, now), *_health(system, service, now))
    yield Section(_headline(service), lines)
    yield Section("Scaling", tuple(explain_scaling(system, service, now)))
    yield Section("Rollout", tuple(describe(system, service, now)))


def _headline(service: ServiceView) -> str:
    status = service.status
    assert status is not None
    return (
        f"{service.name}: {status.state}, {status.health.state}, "
        f"{status.ready_replicas} of {service.wanted} pods ready"
    )


def _is_cause(status: ServiceStatus) -> bool:
    """In trouble, and not because of another service alone."""
    failing = status.state in (ServiceState.FAILED, ServiceState.UNAVAILABLE)
    stuck = status.state is ServiceState.STARTING and status.startup.reason is not None
    return failing or stuck or is_ill_itself(status)


def _is_fine(status: ServiceStatus) -> bool:
    return status.state is ServiceState.READY and status.health.state not in _ILL and status.rollout is None


def _effect(status: ServiceStatus | None) -> str | None:
    if status is None:
        return "has not been seen by the operator yet"
    if status.state is ServiceState.HALTED:
        return "is not started: startup.failurePolicy is Halt"
    if status.startup.waiting_for:
        return f"waits for {', '.join(status.startup.waiting_for)}"
    if status.state is ServiceState.STARTING:
        return "is starting"
    if status.health.caused_by:
        return f"is {status.health.state}: {status.health.caused_by} is the cause"
    return None


def _state(system: System, service: ServiceView, now: datetime) -> Iterator[str]:
    """Why it is not ready, and since when."""
    status = service.status
    assert status is not None
    startup, spec = status.startup, service.spec
    match status.state:
        case ServiceState.READY:
            yield (
                f"ready for the first time {since(startup.ready_at, now)} ago"
                if startup.ready_at
                else "ready"
            )
        case ServiceState.WAITING | ServiceState.HALTED:
            if startup.message:
                yield told(startup.reason, startup.message)
            if startup.waiting_for:
                yield f"it starts when {_and(startup.waiting_for)} {_is_are(startup.waiting_for)} ready"
            for name in _hangs_on(system, service.name):
                yield f"the start hangs on {_with_trouble(system, name)}"
        case ServiceState.STARTING if startup.started_at and spec:
            ends = startup.started_at + timedelta(seconds=spec.startup.timeout_seconds)
            yield f"started {since(startup.started_at, now)} ago; counts as failed at {moment(ends, now)}"
        case ServiceState.UNAVAILABLE:
            yield "it was ready before, and has no ready pod now"
    if status.state not in (ServiceState.WAITING, ServiceState.HALTED) and startup.reason:
        yield told(startup.reason, startup.message)
    if status.state is ServiceState.FAILED:
        yield "it is taken in as soon as it is ready; a changed spec begins the start anew"
    if status.state in (ServiceState.STARTING, ServiceState.FAILED, ServiceState.UNAVAILABLE):
        selector = f"ragops.dev/rag={system.name},ragops.dev/service={service.name}"
        yield f"look at its pods: kubectl get pods -n {system.namespace} -l {selector}"


def _health(system: System, service: ServiceView, now: datetime) -> Iterator[str]:
    """Why it is not healthy: the root of the trouble, where it is another service."""
    status = service.status
    assert status is not None
    health = status.health
    if not is_ill(health):
        return
    for_how_long = f" for {since(health.last_transition, now)}" if health.last_transition else ""
    why = told(health.reason, health.details)
    yield f"{health.state}{for_how_long}" + (f": {why}" if why else "")
    figures = [
        text
        for value, text in (
            (health.response_time_ms, f"{health.response_time_ms} ms response time"),
            (health.error_count, f"{health.error_count} errors"),
        )
        if value is not None
    ]
    if figures:
        yield f"at that moment: {', '.join(figures)}"
    for root in (health.caused_by or "").split(", "):
        if system.known(root):
            yield f"the root is {_with_trouble(system, root)}"


def _hangs_on(system: System, name: str) -> list[str]:
    """The services at the end of the chain of waiting: those that wait for nobody."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    pending = [name]
    while pending:
        here = pending.pop(0)
        if here in seen:
            continue
        seen.add(here)
        status = system.known(here)
        waiting_for = status.startup.waiting_for if status else []
        if not waiting_for and here != name:
            found[here] = None
        pending += waiting_for
    return list(found)


def _with_trouble(system: System, name: str) -> str:
    """A service with its trouble."""
    status = system.known(name)
    if status is None:
        return name
    text = f"{name}, which is {status.state}"
    if status.health.state in _ILL:
        text += f" and {status.health.state}"
    why = (
        f"{status.startup.reason}: {status.startup.message}"
        if status.startup.reason
        else status.health.details
    )
    return f"{text} ({why})" if why else text


def _and(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _is_are(names: list[str]) -> str:
    return "are" if len(names) > 1 else "is"
