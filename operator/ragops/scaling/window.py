"""Samples of one service over time, reduced to what a decision needs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ragops.api.autoscaling import MetricType


@dataclass(frozen=True)
class Reading:
    """One metric of one sample, over the ready pods of the service."""

    total: float
    """Sum over the measured pods, in the unit of the metric."""
    measured: int
    """Ready pods that gave a usable value."""
    ready: int
    """Ready pods at the time of the sample."""

    @property
    def average(self) -> float | None:
        """Average over the measured pods; None when there is none."""
        return self.total / self.measured if self.measured else None

    @property
    def complete(self) -> bool:
        """Every ready pod was measured, and there is one."""
        return 0 < self.ready == self.measured

    @property
    def floor(self) -> float | None:
        """Average if each missing pod used nothing: the cautious value for scaling up."""
        return self.total / self.ready if self.measured else None


def reading(values: Sequence[float | None]) -> Reading:
    """A reading from one value a ready pod; None, NaN, infinite and negative values count as missing."""
    usable = [value for value in values if value is not None and math.isfinite(value) and value >= 0]
    return Reading(math.fsum(usable), len(usable), len(values))


@dataclass(frozen=True)
class Sample:
    """All metrics of one service at one time."""

    at: datetime
    readings: Mapping[MetricType, Reading]


@dataclass(frozen=True)
class Window:
    """The samples of one service, oldest first."""

    samples: tuple[Sample, ...] = ()
    seen_until: datetime | None = None
    """Time of the last sample before these; after a takeover, until when the previous leader was alive."""

    def with_sample(self, sample: Sample, keep: timedelta) -> "Window":
        """The window with one more sample, and without those older than `keep` before it.

        A sample that is not newer than the last one is dropped: a clock may go back, a window never does.
        """
        if self.samples and sample.at <= self.samples[-1].at:
            return self
        older = [old for old in self.samples if old.at <= sample.at - keep]
        seen_until = older[-1].at if older else self.seen_until
        return Window((*self.samples[len(older) :], sample), seen_until)
