"""The readiness of a service's pods: what was there and is lost counts, what is still starting does not."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ragops.health.finding import GOOD, Finding, HealthReason, degraded, unhealthy


@dataclass(frozen=True)
class PodCounts:
    """The pods of a service."""

    wanted: int
    ready: int
    trouble: str | None = None
    """What is visibly wrong with one that is not ready, for people."""
    hopeless: bool = False
    """That trouble does not end by waiting, such as a crash loop."""


@dataclass(frozen=True)
class Capacity:
    """What a service has had of its pods."""

    established: int = 0
    """As many were ready at a time, of those that are still wanted."""
    ready: int = 0
    """Ready at the last look."""
    short_since: datetime | None = None
    """Since when fewer than wanted have been ready, and no more of them than before."""

    def after(self, pods: PodCounts, now: datetime) -> "Capacity":
        """One look more."""
        established = min(pods.wanted, max(self.established, pods.ready))
        if pods.ready >= pods.wanted:
            return Capacity(established, pods.ready)
        since = self.short_since if self.short_since and pods.ready <= self.ready else now
        return Capacity(established, pods.ready, since)


def judge(pods: PodCounts, capacity: Capacity, start_limit: timedelta, now: datetime) -> Finding:
    """What the counts say. New pods have `start_limit` to become ready, unless that is hopeless.

    A service that was set to zero pods does what it was told.
    """
    if pods.ready >= pods.wanted:
        return GOOD
    why = f" ({pods.trouble})" if pods.trouble else ""
    if pods.ready == 0:
        return unhealthy(HealthReason.PODS_NOT_READY, f"none of {pods.wanted} pods is ready{why}")
    overdue = capacity.short_since is not None and now - capacity.short_since >= start_limit
    if pods.ready < capacity.established or overdue or pods.hopeless:
        text = f"{pods.ready} of {pods.wanted} pods are ready{why}"
        return degraded(HealthReason.PODS_NOT_READY, text)
    return GOOD
