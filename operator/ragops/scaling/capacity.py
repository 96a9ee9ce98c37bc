"""What one replica carries, learned from what was observed.

Model: a replica is a processor-sharing queue. At utilisation u a request that takes s seconds alone takes
s / (1 - u) (Kleinrock, Queueing Systems II, 1976, chapter 4), and u = arrivals / (replicas * c) with c the
requests a second of a fully busy replica. A load that varies inside a sample with the relative variance v has
the mean response time s / (1 - u) * (1 + v * u / (1 - u)^2) (second order in v), by which v is learned.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

from ragops.api.autoscaling import MetricType
from ragops.scaling.points import TINY
from ragops.scaling.sample import Sample

MEMORY_SECONDS: Final = 6000.0
"""How long an observation counts: the weight falls to 1/e in this time."""
MAX_UTILISATION: Final = 0.9
"""Busier samples have a queue, or are about to: they tell of the queue, not of the capacity."""
MIN_UTILISATION: Final = 0.02
MAX_WAIT: Final = 0.25
"""Waiting items per request a second of throughput, in seconds: with more a sample counts as overloaded."""
MAX_VARIANCE: Final = 1.0
ENOUGH_SAMPLES: Final = 2
MAX_ERROR: Final = 0.3
"""Standard error of the capacity, relative to it, up to which it is gone by."""
_PRIOR_SPREAD: Final = 0.5
"""Weight of the assumption that load is even inside a sample, in squares of the regressor."""


@dataclass(frozen=True)
class Moments:
    """Decayed sums of a pair of variables, for a straight line through them."""

    count: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    yy: float = 0.0

    def plus(self, x: float, y: float, decay: float) -> "Moments":
        """With one more pair; the earlier ones count less by `decay`."""
        return Moments(
            self.count * decay + 1,
            self.x * decay + x,
            self.y * decay + y,
            self.xx * decay + x * x,
            self.xy * decay + x * y,
            self.yy * decay + y * y,
        )

    @property
    def ratio(self) -> float:
        """Slope of the line through the origin, by least squares."""
        return self.xy / self.xx if self.xx else 0.0

    @property
    def ratio_error(self) -> float:
        """Standard error of `ratio`."""
        if self.count <= 1 or not self.xx:
            return math.inf
        residual = max(0.0, self.yy - self.xy**2 / self.xx)
        return math.sqrt(residual / (self.count - 1) / self.xx)

    def line(self, prior: float) -> tuple[float, float]:
        """Intercept and slope by ridge regression; the slope is not negative."""
        if not self.count:
            return 0.0, 0.0
        mean_x, mean_y = self.x / self.count, self.y / self.count
        spread = self.xx - self.count * mean_x**2
        together = self.xy - self.count * mean_x * mean_y
        slope = max(0.0, together / (spread + prior))
        return mean_y - slope * mean_x, slope


@dataclass(frozen=True)
class _Traffic:
    """What of a sample the capacity is learned from."""

    arrivals: float
    ready: int


@dataclass(frozen=True)
class Capacity:
    """What has been learned of a replica."""

    at_once: Moments = field(default_factory=Moments)
    """Busy replicas (x) and arrivals a second (y) of the same sample."""
    delayed: Moments = field(default_factory=Moments)
    """The same with the arrivals of the sample before: the resource metrics API is late by about that."""
    response: Moments = field(default_factory=Moments)
    """u / (1 - u)^2 (x) and response time * (1 - u) in seconds (y)."""
    previous: _Traffic | None = None
    """The sample before, if it was settled: not overloaded, and with the pods of the one before it."""
    ready: int = 0
    """Ready pods at the sample before."""

    @property
    def _best(self) -> Moments:
        pair = (self.at_once, self.delayed)
        if min(m.count for m in pair) < ENOUGH_SAMPLES + 1:
            return min((m for m in pair if m.count), key=lambda m: m.ratio, default=self.at_once)
        return min(pair, key=lambda m: m.ratio_error)

    @property
    def known(self) -> bool:
        """Enough was seen to go by it."""
        enough = self._best.count >= ENOUGH_SAMPLES - 0.5 and self._best.ratio > 0
        return enough and self.error <= MAX_ERROR

    @property
    def full(self) -> float:
        """Requests a second of a replica that uses all of its CPU request."""
        return self._best.ratio

    @property
    def error(self) -> float:
        """Standard error of `full`, as a share of it; infinite while there are too few samples."""
        return self._best.ratio_error / self.full if self.full else math.inf

    @property
    def service_seconds(self) -> float | None:
        """Response time of a request that is alone; None while it is unknown."""
        intercept, _ = self.response.line(_PRIOR_SPREAD)
        return intercept if self.response.count >= ENOUGH_SAMPLES - 0.5 and intercept > 0 else None

    @property
    def variance(self) -> float:
        """Relative variance of the load inside a sample."""
        intercept, slope = self.response.line(_PRIOR_SPREAD)
        return min(slope / intercept, MAX_VARIANCE) if intercept > 0 else 0.0

    def after(self, sample: Sample, seconds: float) -> "Capacity":
        """With one more sample, `seconds` after the one before."""
        decay = math.exp(-seconds / MEMORY_SECONDS)
        ready = sample.arrivals.ready if sample.arrivals else 0
        traffic = _traffic(sample) if ready == self.ready else None
        learned = replace(self, previous=traffic, ready=ready)
        cpu = sample.readings.get(MetricType.CPU)
        if (
            cpu is not None
            and cpu.complete
            and (percent := cpu.typical) is not None
            and percent <= 100 * MAX_UTILISATION
        ):
            used = percent / 100
            if traffic is not None:
                learned = replace(
                    learned, at_once=self.at_once.plus(used * traffic.ready, traffic.arrivals, decay)
                )
            if (before := self.previous) is not None:
                learned = replace(
                    learned, delayed=self.delayed.plus(used * before.ready, before.arrivals, decay)
                )
        return learned._with_response(sample, traffic, decay)

    def _with_response(self, sample: Sample, traffic: _Traffic | None, decay: float) -> "Capacity":
        reading = sample.readings.get(MetricType.RESPONSE_TIME)
        milliseconds = reading.typical if reading else None
        if traffic is None or not milliseconds or not self.known:
            return self
        used = traffic.arrivals / (traffic.ready * self.full)
        if not MIN_UTILISATION <= used <= MAX_UTILISATION:
            return self
        idle = 1 - used
        return replace(self, response=self.response.plus(used / idle**2, milliseconds / 1000 * idle, decay))


def _traffic(sample: Sample) -> _Traffic | None:
    """Arrivals and ready pods, unless a queue shows that more arrived than was served."""
    arrivals = sample.arrivals
    if arrivals is None or not arrivals.complete or (each := arrivals.typical) is None:
        return None
    total = each * arrivals.ready
    queue = sample.readings.get(MetricType.QUEUE_DEPTH)
    waiting = (queue.typical or 0.0) * queue.ready if queue else 0.0
    errors = sample.readings.get(MetricType.ERROR_RATE)
    failing = errors is not None and (errors.typical or 0.0) > 1
    overloaded = waiting > MAX_WAIT * total or failing
    return None if overloaded or total < TINY else _Traffic(total, arrivals.ready)
