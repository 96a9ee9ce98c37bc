"""Rhythms of the load: which period it has, if any, and its profile over that period.

The history is kept in at most SIZE buckets, whose length doubles when they are full: 17 hours at a sample
each 15 seconds, three weeks at eight minutes. Longer than LONGEST_BUCKET they do not get. The period is the
highest peak of the autocorrelation (Box, Jenkins, Reinsel, Time Series Analysis, chapter 2), sought by FFT
among the lags of which two and more have been seen.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragops.scaling.arrays import Floats

SIZE: Final = 4096
LONGEST_BUCKET: Final = 900.0
"""Seconds: with the quarter of the history gone that makes room, two periods of a week can still be told."""
MIN_BUCKETS: Final = 60
MIN_LAG: Final = 12
"""Buckets in the shortest period that can be told from noise."""
MIN_CORRELATION: Final = 0.15
FUNDAMENTAL: Final = 0.85
"""A shorter period is preferred that correlates this well, relative to the best."""
MAX_PHASES: Final = 96
MEMORY_PERIODS: Final = 8.0
"""How many periods back count: the weight falls to 1/e in this many."""


@dataclass(frozen=True)
class Season:
    """The load over time, and its rhythm."""

    bucket_seconds: float = 0.0
    """Length of a bucket; 0 before the first sample."""
    totals: Floats = field(default_factory=lambda: np.zeros(0))
    """Sum of the samples of each bucket, oldest first."""
    counts: Floats = field(default_factory=lambda: np.zeros(0))
    """Samples in each bucket."""
    origin: float = 0.0
    """Begin of the oldest bucket, in seconds since the epoch."""
    looked_at: int = 0
    """Buckets there were when a period was last sought."""
    period: float | None = None
    """Seconds; None while no rhythm is known."""
    profile: Floats = field(default_factory=lambda: np.ones(1))
    """Load over the period relative to the mean, in parts of equal length."""

    def after(self, load: float, at: float, seconds: float) -> "Season":
        """With one more sample (requests a second), at a time in seconds since the epoch."""
        index = int((at - self.origin) // self.bucket_seconds) if self.bucket_seconds else -1
        if index < 0 or index >= 2 * SIZE:  # the first one, or the clock is another
            return Season(seconds, np.array([load]), np.ones(1), origin=at)
        if index >= SIZE:
            return self._with_room().after(load, at, seconds)
        if index < len(self.totals) - 1:
            return self  # the clock was set back
        missing = index + 1 - len(self.totals)
        totals, counts = (np.concatenate([a, np.zeros(missing)]) for a in (self.totals, self.counts))
        totals[index] += load
        counts[index] += 1
        grown = replace(self, totals=totals, counts=counts)
        due = index >= MIN_BUCKETS and index - self.looked_at >= max(20, index // 40)
        return grown._sought() if due and missing else grown

    def factor(self, at: float) -> float:
        """Load expected at this time relative to the mean; 1 while no rhythm is known."""
        return float(self.profile[self._phase(np.array([at]))[0]]) if self.period else 1.0

    def _phase(self, at: Floats) -> NDArray[np.intp]:
        assert self.period is not None, "only called with a period"
        parts = len(self.profile)
        return ((at % self.period) / self.period * parts).astype(np.intp) % parts

    def _with_room(self) -> "Season":
        """Buckets of twice the length; where that is too long the oldest quarter goes."""
        if 2 * self.bucket_seconds > LONGEST_BUCKET:
            gone = SIZE // 4
            return replace(
                self,
                totals=self.totals[gone:],
                counts=self.counts[gone:],
                origin=self.origin + gone * self.bucket_seconds,
                looked_at=max(0, self.looked_at - gone),
            )
        size = len(self.totals) // 2 * 2
        totals, counts = (a[:size].reshape(-1, 2).sum(axis=1) for a in (self.totals, self.counts))
        return replace(
            self,
            bucket_seconds=2 * self.bucket_seconds,
            totals=np.concatenate([totals, self.totals[size:]]),
            counts=np.concatenate([counts, self.counts[size:]]),
            looked_at=self.looked_at // 2,
        )

    def _sought(self) -> "Season":
        """With the period and the profile by all that has been seen."""
        loads = _filled(self.totals, self.counts)
        found = _period(loads)
        looked = replace(self, looked_at=len(loads) - 1)
        if found is None:
            return replace(looked, period=None, profile=np.ones(1))
        period = found * self.bucket_seconds
        parts = int(min(MAX_PHASES, max(MIN_LAG, round(found))))
        looked = replace(looked, period=period, profile=np.ones(parts))
        middles = (np.arange(len(loads), dtype=np.float64) + 0.5) * self.bucket_seconds
        times: Floats = self.origin + middles
        return replace(looked, profile=_profile(loads, looked._phase(times), parts, found))


def _filled(totals: Floats, counts: Floats) -> Floats:
    """Mean load of each bucket; a gap is filled by a straight line."""
    known = np.flatnonzero(counts)
    return np.interp(np.arange(len(totals)), known, totals[known] / counts[known])


def _period(loads: Floats) -> float | None:
    """The period in buckets: the highest peak of the autocorrelation after it has first been negative."""
    size = len(loads)
    logs = np.log(loads + 0.2 * loads.mean() + 1e-9)
    logs -= logs.mean()
    power = np.abs(np.fft.rfft(logs, 2 * size)) ** 2
    raw = np.fft.irfft(power)[:size]
    if raw[0] <= 1e-9:
        return None  # a constant load
    correlation = raw / raw[0] * size / (size - np.arange(size))
    smooth = np.convolve(correlation, np.ones(3) / 3, mode="same")
    negative = np.flatnonzero(smooth < 0)
    low, high = max(MIN_LAG, int(negative[0]) if len(negative) else size), int(size / 2.2)
    if high - low < 3:
        return None
    inner = smooth[low : high + 1]
    peaks = low + 1 + np.flatnonzero((inner[1:-1] >= inner[:-2]) & (inner[1:-1] > inner[2:]))
    if not len(peaks) or smooth[peaks].max() < MIN_CORRELATION:
        return None
    # Of a period and its multiples, which correlate as well, the period.
    shortest = peaks[smooth[peaks] >= FUNDAMENTAL * smooth[peaks].max()][0]
    return _refined(smooth, int(shortest))


def _refined(correlation: Floats, lag: int) -> float:
    """The period by its multiples: the peak near n periods gives it n times as exactly."""
    period, multiple = float(lag), 2
    while multiple * period < 0.7 * len(correlation):
        reach = max(1, math.ceil(period / 24))
        centre = round(multiple * period)
        near = correlation[centre - reach : centre + reach + 1]
        if len(near) < 2 * reach + 1 or near.max() < MIN_CORRELATION / 2:
            break
        period = (centre - reach + int(np.argmax(near))) / multiple
        multiple += 1
    return period


def _profile(loads: Floats, phases: NDArray[np.intp], parts: int, period: float) -> Floats:
    """Mean load of each part of the period relative to that of all, parts seen seldom drawn towards 1."""
    weights = np.exp((np.arange(len(loads)) - len(loads)) / (MEMORY_PERIODS * period))
    sums = np.bincount(phases, weights=weights * loads, minlength=parts)
    counts = np.bincount(phases, weights=weights, minlength=parts)
    mean = float((weights * loads).sum() / weights.sum())
    prior = period / parts
    return (sums + prior * mean) / (counts + prior) / mean if mean > 0 else np.ones(parts)
