"""The ordered, health-gated start: where each service is in its life, and what it waits for.

Dependencies gate the first start only. A service that was ready once never goes back to Waiting: an upstream
that fails later degrades it, by name, and does not stop it.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from ragops.api.service import ServiceSpec
from ragops.api.status import ServiceState, ServiceStatus, StartupStatus
from ragops.orchestration.diagnosis import REFUSALS, Diagnosis, StartReason
from ragops.orchestration.graph import required
from ragops.orchestration.observation import Workload


@dataclass(frozen=True)
class Progress:
    """Where one service is."""

    state: ServiceState
    startup: StartupStatus

    @property
    def started(self) -> bool:
        """Its children are wanted."""
        return self.startup.started_at is not None

    @property
    def ready(self) -> bool:
        """Its dependents may start."""
        return self.state is ServiceState.READY


def first_start(spec: ServiceSpec, ready: Set[str], halted: bool, now: datetime) -> Progress:
    """A service that does not run yet: starts now if all that it requires is among the `ready`.

    `halted`: nothing further is started.
    """
    waiting_for = [name for name in required(spec) if name not in ready]
    if halted:
        return Progress(ServiceState.HALTED, _halted(waiting_for))
    if waiting_for:
        return Progress(ServiceState.WAITING, StartupStatus(waiting_for=waiting_for))
    return begun(now)


def begun(now: datetime) -> Progress:
    """A service whose start begins now."""
    return Progress(ServiceState.STARTING, StartupStatus(started_at=now))


def progress(
    spec: ServiceSpec,
    previous: ServiceStatus | None,
    workload: Workload | None,
    trouble: Diagnosis | None,
    now: datetime,
) -> Progress:
    """A service that was started; for others, Waiting with nothing said yet."""
    before = previous.startup if previous else StartupStatus()
    # The workload itself tells that it was started, should the status not have been written.
    started_at = before.started_at or (workload.created if workload else None)
    if started_at is None:
        return Progress(ServiceState.WAITING, StartupStatus())
    ready_at = before.ready_at
    if _is_ready(workload, first=ready_at is None):
        refused = trouble if trouble and trouble.reason in REFUSALS else None
        return Progress(ServiceState.READY, _troubled(started_at, ready_at or now, refused))
    if ready_at is not None:
        return Progress(ServiceState.UNAVAILABLE, _troubled(started_at, ready_at, trouble))
    if now < timeout_at(spec, started_at):
        return Progress(ServiceState.STARTING, _troubled(started_at, None, trouble))
    return Progress(ServiceState.FAILED, _troubled(started_at, None, trouble or _timed_out(spec)))


def timeout_at(service: ServiceSpec, started_at: datetime) -> datetime:
    """When a start that is not ready counts as failed."""
    return started_at + timedelta(seconds=service.startup.timeout_seconds)


def _is_ready(workload: Workload | None, first: bool) -> bool:
    """First start: all wanted pods are ready. After that one is enough; less is a matter of health."""
    if workload is None:
        return False
    needed = workload.wanted if first else min(workload.wanted, 1)
    return (workload.settled or not first) and workload.ready >= needed


def _troubled(started_at: datetime, ready_at: datetime | None, trouble: Diagnosis | None) -> StartupStatus:
    return StartupStatus(
        started_at=started_at,
        ready_at=ready_at,
        reason=trouble.reason if trouble else None,
        message=trouble.message if trouble else None,
    )


def _timed_out(service: ServiceSpec) -> Diagnosis:
    return Diagnosis(StartReason.STARTUP_TIMEOUT, too_slow(service))


def too_slow(service: ServiceSpec) -> str:
    """What to say when a start takes longer than it may, and nothing tells why."""
    return (
        f"not ready after {service.startup.timeout_seconds} s: see the pod's log, or raise "
        "startup.timeoutSeconds"
    )


def _halted(waiting_for: list[str]) -> StartupStatus:
    return StartupStatus(
        waiting_for=waiting_for,
        reason=StartReason.HALTED,
        message="another service failed to start and startup.failurePolicy is Halt",
    )
