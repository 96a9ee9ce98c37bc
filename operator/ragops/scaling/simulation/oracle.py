"""What the trace needs, and the cheapest fleet that has it ready in time."""

import math

import numpy as np
from numpy.typing import NDArray

from ragops.scaling.simulation.model import Order, View
from ragops.scaling.simulation.parameters import EPSILON, Parameters
from ragops.scaling.simulation.trace import Trace


def needed(trace: Trace, parameters: Parameters) -> NDArray[np.int64]:
    """Replicas that keep each tick within the SLO without a queue, at least the minimum, not limited by the
    maximum; shape (ticks,)."""
    return np.repeat(_needed_by_step(trace, parameters), trace.seconds)


def schedule(trace: Trace, parameters: Parameters) -> NDArray[np.int64]:
    """Replicas to have ordered at each tick by one who knows the trace; shape (ticks,).

    For each level k, the ticks that need k replicas or more: gaps shorter than the start-up time are bridged,
    since a new replica would be ordered before the gap began, and each interval is ordered a start-up time
    early. With several start-up times the longest counts.
    """
    lead = math.ceil(max(parameters.start_up))
    need = _needed_by_step(trace, parameters)
    ends = np.cumsum(trace.seconds)
    begins = ends - trace.seconds
    change = np.zeros(trace.ticks + 1, dtype=np.int64)
    # Levels between two values that occur have the same intervals.
    levels = np.unique(need)
    for level, replicas in zip(levels, np.diff(levels, prepend=0), strict=True):
        at_level = need >= level
        first = np.maximum(begins[at_level] - lead, 0)
        last = ends[at_level]
        apart = first[1:] > last[:-1]
        np.add.at(change, first[np.concatenate(([True], apart))], replicas)
        np.add.at(change, last[np.concatenate((apart, [True]))], -replicas)
    return np.cumsum(change)[:-1]


def pod_hours(trace: Trace, parameters: Parameters) -> float:
    """Pod-hours of the schedule, start-up times included. No policy without late requests can do with less,
    up to the rounding of the gaps."""
    return float(schedule(trace, parameters).sum()) / 3600


class Oracle:
    """Carries the schedule out."""

    interval = 1

    def __init__(self, trace: Trace, parameters: Parameters) -> None:
        self._schedule: list[int] = schedule(trace, parameters).tolist()

    @property
    def initial(self) -> int:
        """What the first start-up time needs is there."""
        return self._schedule[0]

    def decide(self, view: View) -> Order | None:
        """The replicas of the schedule."""
        return Order(self._schedule[view.now], "Scheduled", "the trace is known")


def _needed_by_step(trace: Trace, parameters: Parameters) -> NDArray[np.int64]:
    exact = np.array(trace.rates) / (parameters.capacity * parameters.usable)
    return np.maximum(np.ceil(exact - EPSILON), parameters.min_replicas).astype(np.int64)
