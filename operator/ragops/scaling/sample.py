"""One sample of a service: its metrics over the ready pods at one time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ragops.api.autoscaling import MetricType


@dataclass(frozen=True)
class Reading:
    """One metric of one sample, over the ready pods of the service.

    A value that belongs to requests, such as their response time, is weighted by the pod's requests; any
    other counts once a pod.
    """

    total: float
    """Weighted sum over the measured pods, in the unit of the metric."""
    measured: int
    """Ready pods that gave a usable value."""
    ready: int
    """Ready pods at the time of the sample."""
    weight: float | None = None
    """Sum of the weights of the measured pods; None where each pod counts once."""
    excess: float = 0.0
    """How much of the total is due to the highest pod being above the next one; 0 for fewer than three pods,
    of which nobody can say which one is the exception."""

    @property
    def average(self) -> float | None:
        """Weighted average over the measured pods; 0 where none of them had a request; None without any."""
        if not self.measured:
            return None
        weight = self.measured if self.weight is None else self.weight
        return self.total / weight if weight else 0.0

    @property
    def complete(self) -> bool:
        """Every ready pod was measured, and there is one."""
        return 0 < self.ready == self.measured

    @property
    def typical(self) -> float | None:
        """The average if the highest pod had measured no more than the next one: what one pod alone says may
        be wrong."""
        if (average := self.average) is None or not self.total:
            return average
        return average * (1 - self.excess / self.total)

    @property
    def floor(self) -> float | None:
        """The cautious value for scaling up: `typical` if each missing pod had measured zero."""
        typical = self.typical
        return None if typical is None else typical * self.measured / self.ready


MAX_VALUE: Final = 1e15
"""What measures more is broken; sums of values below it stay finite."""


def reading(values: Sequence[float | None], weights: Sequence[float] | None = None) -> Reading:
    """A reading from one value a ready pod, and a weight each; values that are None, NaN, infinite, negative
    or beyond MAX_VALUE count as missing, and so do those with such a weight."""
    paired = zip(values, weights or [1.0] * len(values), strict=True)
    usable = sorted(
        (v, w) for v, w in paired if v is not None and 0 <= v <= MAX_VALUE and 0 <= w <= MAX_VALUE
    )
    busy = [(v, w) for v, w in usable if w > 0]
    excess = (busy[-1][0] - busy[-2][0]) * busy[-1][1] if len(busy) > 2 else 0.0
    total = math.fsum(v * w for v, w in usable)
    return Reading(
        total=total,
        measured=len(usable),
        ready=len(values),
        weight=None if weights is None else math.fsum(w for _, w in usable),
        excess=excess,
    )


@dataclass(frozen=True)
class Sample:
    """All metrics of one service at one time."""

    at: datetime
    readings: Mapping[MetricType, Reading]
    arrivals: Reading | None = None
    """Requests a second of each ready pod since the sample before; None where they are not measured."""
    missing: Mapping[MetricType, str] = field(default_factory=dict)
    """Why a metric has no value for some ready pod, or for all."""
    start_seconds: float | None = None
    """How long the service's pods took to become ready, in nine of ten cases; None while none is known."""
