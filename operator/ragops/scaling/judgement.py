"""One metric against its thresholds, on the evidence of one sample."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, MetricSpec, MetricType
from ragops.api.status import ScalingInput
from ragops.scaling.choice import max_gap
from ragops.scaling.decision import Replicas
from ragops.scaling.sample import Reading, Sample
from ragops.scaling.window import Window

_SHARED: Final = (MetricType.CPU, MetricType.QUEUE_DEPTH)
"""Metrics of which each pod has the less, the more pods there are."""

_ROUNDING: Final = 1e-9
"""A demand of 3.0000000001 replicas is one of 3."""


@dataclass(frozen=True)
class Judgement:
    """One metric against its thresholds."""

    metric: MetricSpec
    reading: Reading | None
    missing_because: str | None = None

    @property
    def breached(self) -> bool:
        """Above the upper threshold even if every missing pod were idle, and the highest one an exception."""
        floor = self.reading.floor if self.reading else None
        return floor is not None and floor > self.limit

    @property
    def loud(self) -> bool:
        """Not below the lower threshold, by those pods that were measured."""
        average = self.reading.average if self.reading else None
        if self.metric.down_below is None or average is None:
            return self.breached
        return average >= self.metric.down_below

    @property
    def incomplete(self) -> bool:
        """A ready pod has no value, for a metric that scaling down needs."""
        return self.metric.down_below is not None and (self.reading is None or not self.reading.complete)

    @property
    def measured(self) -> bool:
        """Some pod has a value."""
        return self.reading is not None and self.reading.measured > 0

    @property
    def limit(self) -> float:
        """The upper threshold, which is the target of modes that aim at one."""
        return math.inf if self.metric.up_above is None else self.metric.up_above

    def suffices(self, replicas: int) -> bool:
        """The measured load, spread over this many pods, is not above the upper threshold."""
        floor = self.reading.floor if self.reading else None
        return (
            self.reading is not None
            and floor is not None
            and floor * self.reading.ready <= (self.limit * replicas)
        )

    def demand(self, policy: AutoscalingSpec, replicas: Replicas) -> int | None:
        """The replicas at which the metric would be at its target; None where it cannot tell.

        desired = ceil(sum of the pods' values / target), and the present number where the average is within
        the tolerance. Pods without a value count as idle on the way up and as at the target on the way down,
        pods that are not ready yet as idle on the way up. Source: Kubernetes documentation, Horizontal Pod
        Autoscaling, algorithm details. ErrorRate says that something is wrong, not how much load there is:
        it asks for one step, and while pods are on their way for none.
        """
        reading, wanted = self.reading, replicas.wanted
        if reading is None or (average := reading.average) is None or (floor := reading.floor) is None:
            return None
        if self.metric.type is MetricType.ERROR_RATE:
            if not self.breached:
                return None
            return wanted if replicas.ready < wanted else wanted + policy.step
        tolerance = policy.tolerance_percent / 100
        # Pods that will go: what they carry now, but not what each pod has by itself, falls to the others.
        staying = max(reading.ready - replicas.beside, 0)
        pods = reading.ready if self.metric.type in _SHARED else staying
        upward = floor * pods / self.limit
        if upward > (1 + tolerance) * max(wanted, staying):
            return math.ceil(min(upward, policy.max_replicas + 1) - _ROUNDING)
        missing = reading.ready - reading.measured
        downward = average * reading.measured / self.limit + missing
        if downward < (1 - tolerance) * staying:
            return min(math.ceil(downward - _ROUNDING), wanted)
        return wanted

    def as_input(self) -> ScalingInput:
        """The metric as status shows it."""
        reading = self.reading
        average = reading.average if reading else None
        return ScalingInput(
            type=self.metric.type,
            value=None if average is None else round(average, 1),
            up_above=self.metric.up_above,
            down_below=self.metric.down_below,
            coverage_percent=100 * reading.measured // reading.ready if reading and reading.ready else 0,
        )


def judge(policy: AutoscalingSpec, sample: Sample | None) -> tuple[Judgement, ...]:
    """All metrics of the policy; without a reading where the sample, or the metric, is missing."""
    readings, missing = (sample.readings, sample.missing) if sample else ({}, {})
    return tuple(
        Judgement(metric, readings.get(metric.type), missing.get(metric.type))
        for metric in policy.metrics or ()
    )


def recent(window: Window, policy: AutoscalingSpec, now: datetime) -> Sample | None:
    """The last sample, unless it is too old to say anything about now, or from a clock that was set back."""
    last = window.samples[-1] if window.samples else None
    return last if last is not None and abs(now - last.at) <= max_gap(policy) else None


def describe(breached: Iterable[Judgement]) -> str:
    """For example: CPU 93.4 is above 70."""
    return ", ".join(
        f"{j.metric.type} {j.reading.average:.1f} is above {j.metric.up_above}" for j in breached if j.reading
    )


def why_missing(judged: Iterable[Judgement]) -> str:
    """The metrics that are not complete, with the reason where there is one."""
    return ", ".join(
        f"{j.metric.type} ({j.missing_because})" if j.missing_because else str(j.metric.type)
        for j in judged
        if j.incomplete
    )
