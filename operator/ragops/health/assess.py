"""The health of one service, from its workload's counts and the failing services upstream of it."""

from collections.abc import Sequence
from datetime import datetime

from ragops.api.status import HealthState, HealthStatus


def own_health(wanted: int, ready: int, started: bool) -> tuple[HealthState, str | None]:
    """State and details by the readiness of the service's own pods.

    Before the first readiness there is nothing to judge. A service that was set to zero pods does what it
    was told.
    """
    if not started:
        return HealthState.UNKNOWN, None
    if ready == 0 and wanted > 0:
        return HealthState.UNHEALTHY, f"none of {wanted} pods is ready"
    if ready < wanted:
        return HealthState.DEGRADED, f"{ready} of {wanted} pods are ready"
    return HealthState.HEALTHY, None


def assess(
    wanted: int, ready: int, started: bool, roots: Sequence[str], previous: HealthStatus, now: datetime
) -> HealthStatus:
    """The health of a service. `roots` are the failing upstream services; lastTransition
    moves with the state.
    """
    state, details = own_health(wanted, ready, started)
    caused_by = None
    if roots and state in (HealthState.HEALTHY, HealthState.DEGRADED):
        state, caused_by = HealthState.DEGRADED, ", ".join(roots)
        details = f"{caused_by} is Unhealthy" if len(roots) == 1 else f"{caused_by} are Unhealthy"
    changed = state is not previous.state or previous.last_transition is None
    return HealthStatus(
        state=state,
        caused_by=caused_by,
        details=details,
        last_transition=now if changed else previous.last_transition,
    )
