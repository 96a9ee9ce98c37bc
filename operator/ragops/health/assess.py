"""The health of one service: its own, and then in the light of the services upstream of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ragops.api.base import ServiceType
from ragops.api.defaults import DEFAULT_HEALTH_PATH
from ragops.api.service import ServiceSpec
from ragops.api.status import HealthState, HealthStatus, ServiceStatus
from ragops.health import checks, readiness
from ragops.health.checks import Checks
from ragops.health.figures import Figures, Requests, figures
from ragops.health.finding import (
    GOOD,
    NOTHING_KNOWN,
    Finding,
    HealthReason,
    degraded,
    unhealthy,
    worst,
)
from ragops.health.hysteresis import Damped, Level
from ragops.health.readiness import Capacity, PodCounts


@dataclass(frozen=True)
class Evidence:
    """What the operator has measured of the pods of one service."""

    checks: Checks = field(default_factory=Checks)
    requests: tuple[Requests, ...] = ()
    """Of the last minute; nothing where health has no threshold."""

    @property
    def figures(self) -> Figures | None:
        """Response time and errors of the last minute."""
        return figures(self.requests)


@dataclass(frozen=True)
class Probes:
    """All that the own health of a service is judged by."""

    started: bool
    """It has been ready at least once."""
    pods: PodCounts
    ready: tuple[str, ...] = ()
    """The ready pods, by uid."""
    evidence: Evidence = field(default_factory=Evidence)
    start_failed: str | None = None
    """Why its first start failed."""


@dataclass(frozen=True)
class Memory:
    """What hysteresis remembers of one service. Lost with the process, but for what status tells."""

    own: Damped = field(default_factory=Damped)
    capacity: Capacity = field(default_factory=Capacity)
    check: Finding = GOOD
    errors: Level = field(default_factory=Level)
    slow: Level = field(default_factory=Level)

    def look_at(self, start_limit: timedelta) -> datetime | None:
        """When time alone may change the health."""
        overdue = self.capacity.short_since and self.capacity.short_since + start_limit
        # What is overdue already changes nothing by staying so.
        moments = [self.own.look_at, overdue if not self.own.finding.bad else None]
        return min((moment for moment in moments if moment), default=None)


def remembered(previous: ServiceStatus, wanted: int) -> Memory:
    """The memory of a process that begins: by what status tells, which holds until there is evidence of
    something else."""
    health = previous.health
    own = Finding(health.state, health.reason, health.details)
    if not own.bad or own.reason == HealthReason.UPSTREAM_UNHEALTHY:
        return Memory(capacity=Capacity(min(wanted, previous.ready_replicas), previous.ready_replicas))
    return Memory(
        own=Damped(own),
        # All pods are missed until they are there again: which of them are new is not known.
        capacity=Capacity(wanted, previous.ready_replicas),
        check=own if own.reason == HealthReason.CHECK_FAILING else GOOD,
        errors=Level(exceeded=own.reason == HealthReason.TOO_MANY_ERRORS),
        slow=Level(exceeded=own.reason == HealthReason.TOO_SLOW),
    )


def own_health(spec: ServiceSpec, probes: Probes, memory: Memory, now: datetime) -> tuple[Finding, Memory]:
    """The health of a service by itself. Before its first readiness there is nothing to judge, unless its
    start has failed."""
    if probes.start_failed is not None:
        return unhealthy(HealthReason.START_FAILED, probes.start_failed), Memory()
    if not probes.started:
        return NOTHING_KNOWN, Memory()
    memory = _taken_in(spec, probes, memory, now)
    health = spec.health
    found = [
        readiness.judge(probes.pods, memory.capacity, timedelta(seconds=spec.startup.timeout_seconds), now),
        memory.check,
    ]
    if memory.errors.exceeded:
        text = f"more than {health.max_error_percent} % of the requests fail"
        found.append(degraded(HealthReason.TOO_MANY_ERRORS, text))
    if memory.slow.exceeded:
        text = f"the mean response time is above {health.max_response_time_ms} ms"
        found.append(degraded(HealthReason.TOO_SLOW, text))
    memory = replace(memory, own=memory.own.after(worst(found), now))
    return memory.own.finding, memory


def assess(
    own: Finding, roots: Sequence[str], evidence: Evidence, previous: HealthStatus, now: datetime
) -> HealthStatus:
    """The health of a service as status tells it. `roots` are the failing services upstream of it.

    Figures are those of the last transition, and lastTransition moves with the state. A service that is
    Unhealthy itself keeps its own cause.
    """
    found, caused_by = own, None
    if roots and own.state in (HealthState.HEALTHY, HealthState.DEGRADED):
        caused_by = ", ".join(roots)
        upstream = f"{caused_by} {'is' if len(roots) == 1 else 'are'} Unhealthy"
        found = worst((own, degraded(HealthReason.UPSTREAM_UNHEALTHY, upstream)))
    changed = found.state is not previous.state or previous.last_transition is None
    same = not changed and (found.reason, caused_by) == (previous.reason, previous.caused_by)
    return HealthStatus(
        state=found.state,
        response_time_ms=previous.response_time_ms if same else response_time_ms(evidence),
        error_count=previous.error_count if same else error_count(evidence),
        last_transition=now if changed else previous.last_transition,
        caused_by=caused_by,
        reason=found.reason,
        details=found.details,
    )


def response_time_ms(evidence: Evidence) -> int | None:
    """Mean over the requests of the last minute, or over the last checks where requests are not measured."""
    if (known := evidence.figures) is not None:
        return None if known.response_time_ms is None else round(known.response_time_ms)
    times = [pod.last.seconds for pod in evidence.checks.pods.values() if pod.last and pod.last.answered]
    return round(1000 * sum(times) / len(times)) if times else None


def error_count(evidence: Evidence) -> int | None:
    """Requests that failed in the last minute; pods whose last check failed where those are not measured."""
    if (known := evidence.figures) is not None:
        return round(known.errors)
    if not evidence.checks.answered:
        return None
    return sum(pod.last is not None and not pod.last.good for pod in evidence.checks.pods.values())


def is_checked(spec: ServiceSpec) -> bool:
    """Whether the operator asks the pods of a service. A VectorStore does not speak HTTP."""
    return spec.health.check.enabled and spec.type is not ServiceType.VECTOR_STORE


def is_measured(spec: ServiceSpec) -> bool:
    """Whether the requests to a service are measured: only where health has a threshold."""
    return spec.health.max_error_percent is not None or spec.health.max_response_time_ms is not None


def check_path(spec: ServiceSpec) -> str:
    """What the pods are asked for."""
    return spec.health.check.path or spec.health.path or DEFAULT_HEALTH_PATH


def _taken_in(spec: ServiceSpec, probes: Probes, memory: Memory, now: datetime) -> Memory:
    capacity = memory.capacity.after(probes.pods, now)
    if probes.pods.wanted == 0:  # what was said of its pods is over with them
        return Memory(memory.own, capacity)
    evidence, check = probes.evidence, GOOD
    if is_checked(spec):
        check = checks.judge(check_path(spec), probes.ready, evidence.checks, memory.check)
    known, health = evidence.figures, spec.health
    return replace(
        memory,
        capacity=capacity,
        check=check,
        errors=_level(memory.errors, known, health.max_error_percent, lambda f: f.error_percent),
        slow=_level(memory.slow, known, health.max_response_time_ms, lambda f: f.response_time_ms),
    )


def _level(
    level: Level, known: Figures | None, limit: int | None, value: Callable[[Figures], float | None]
) -> Level:
    if limit is None:
        return Level()
    return level if known is None else level.after(known.judged(value(known), limit), limit, known.at)
