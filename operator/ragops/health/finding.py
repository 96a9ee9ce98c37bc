"""What is wrong with a service, if anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ragops.api.status import HealthState


class HealthReason(StrEnum):
    """Why a service is not Healthy."""

    START_FAILED = "StartFailed"
    PODS_NOT_READY = "PodsNotReady"
    CHECK_FAILING = "CheckFailing"
    TOO_MANY_ERRORS = "TooManyErrors"
    TOO_SLOW = "TooSlow"
    UPSTREAM_UNHEALTHY = "UpstreamUnhealthy"


_SEVERITY: Final = (HealthState.UNKNOWN, HealthState.HEALTHY, HealthState.DEGRADED, HealthState.UNHEALTHY)


@dataclass(frozen=True)
class Finding:
    """A state with its reason and a sentence for people, which stay the same while their cause does."""

    state: HealthState = HealthState.HEALTHY
    reason: str | None = None
    details: str | None = None

    @property
    def bad(self) -> bool:
        """Something is wrong."""
        return self.state in (HealthState.DEGRADED, HealthState.UNHEALTHY)

    def better_than(self, other: "Finding") -> bool:
        """Whether this state is less bad."""
        return _SEVERITY.index(self.state) < _SEVERITY.index(other.state)


GOOD: Final = Finding()
NOTHING_KNOWN: Final = Finding(HealthState.UNKNOWN)


def degraded(reason: HealthReason, details: str) -> Finding:
    """It serves, though not as it should."""
    return Finding(HealthState.DEGRADED, reason, details)


def unhealthy(reason: HealthReason, details: str) -> Finding:
    """It does not serve."""
    return Finding(HealthState.UNHEALTHY, reason, details)


def worst(findings: Iterable[Finding]) -> Finding:
    """The state and reason of the worst, the first of equals, with the details of all that are bad."""
    bad = sorted((f for f in findings if f.bad), key=lambda f: -_SEVERITY.index(f.state))
    if not bad:
        return GOOD
    return Finding(bad[0].state, bad[0].reason, "; ".join(f.details for f in bad if f.details))
