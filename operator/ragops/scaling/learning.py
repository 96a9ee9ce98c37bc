"""What mode Predictive has learned from the samples of a service so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ragops.scaling.capacity import Capacity
from ragops.scaling.forecast import Forecast, leads_of
from ragops.scaling.sample import Reading, Sample

DEFAULT_START_SECONDS: Final = 30.0
"""Start-up time of a pod while none of the service's own has been seen."""
START_SHARE: Final = 0.9
MAX_STARTS: Final = 50
"""Starts that count, the newest: images and nodes change."""
ABSURD: Final = 1000.0
"""A pod is wrong about its arrivals where those it has beyond the next pod are so many times all the rest.
Less proves nothing: over one long connection all requests go to one pod, and new pods have had none yet."""
GAP: Final = 2.5
"""Sampling times without a sample that count as a gap."""


@dataclass(frozen=True)
class Learned:
    """The capacity of a replica, and the forecast of the load."""

    at: float = 0.0
    """Time of the last sample with arrivals, in seconds since the epoch."""
    capacity: Capacity = field(default_factory=Capacity)
    forecast: Forecast | None = None
    start_seconds: float = DEFAULT_START_SECONDS
    """How long the service's pods take to become ready, in nine of ten cases."""


def learn(learned: Learned | None, sample: Sample, sample_seconds: int) -> Learned:
    """What is known after one more sample. One that is not newer is taken as new where the clock was set back
    by more than a gap: what is known would be of no use until the clock is where it was."""
    learned = learned or Learned()
    load, at = load_of(sample.arrivals), sample.at.timestamp()
    start = sample.start_seconds or learned.start_seconds
    gap, passed = GAP * sample_seconds, at - learned.at
    if load is None or -gap <= passed <= 0:
        return replace(learned, start_seconds=start)
    leads = leads_of(start, sample_seconds)
    if learned.forecast is None:
        forecast = Forecast.first(load, at, sample_seconds, leads)
    else:
        whole = 0 < passed <= gap
        before = learned.forecast if whole else learned.forecast.interrupted()
        forecast = before.after(load, at, sample_seconds, leads)
    return Learned(at, learned.capacity.after(sample, sample_seconds), forecast, start)


def start_seconds(started: Sequence[float]) -> float | None:
    """The start-up time that nine of ten of these pods did not exceed, oldest first; None without any."""
    newest = sorted(started[-MAX_STARTS:])
    return newest[math.ceil(START_SHARE * len(newest)) - 1] if newest else None


def load_of(arrivals: Reading | None) -> float | None:
    """Requests a second of the whole service; pods that were not measured count as the others. None where
    one pod tells of so many that it must be wrong."""
    if arrivals is None or arrivals.average is None:
        return None
    if 0 < ABSURD * (arrivals.total - arrivals.excess) < arrivals.excess:
        return None
    return arrivals.average * arrivals.ready
