"""The forecast of the load as a distribution: point forecasts, and how wrong they have been.

Each expert is a model (scaling/points.py) with a scale of its errors over one stretch of the past: bursts
come in clusters, so a recent scale tells more than an old one, if the past says so. What an expert's errors
were, in units of their scale, is kept as a histogram: heavy tails need no assumption. Experts are weighted by
how probable they held the loads that came (a rolling backtest by logarithmic score; Gneiting, Raftery,
Strictly Proper Scoring Rules, 2007). Those that were no better than the best expert of the last value, by
that score or by their mean error, count nothing.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragops.api.status import ForecastStatus
from ragops.scaling.arrays import Floats
from ragops.scaling.points import SLOTS, TINY, Model, Points, Regressor
from ragops.scaling.season import Season

MEMORIES: Final = (75.0, 300.0, 5000.0)
"""Seconds over which an expert's scale is taken."""
EXPERTS: Final = len(Model) * len(MEMORIES)
DENSITY_SECONDS: Final = 30_000.0
SCORE_SECONDS: Final = 1500.0
ERROR_SECONDS: Final = 3600.0
OFFSET: Final = 1.0
"""Share of the mean load that is added before logarithms of errors are taken."""
BINS: Final = 121
REACH: Final = 6.0
"""The histograms go from -REACH to REACH scales."""
FIRST_SCALE: Final = 0.4
"""Scale of the log error before anything is known: a factor of 1.5."""
_FIRST_SCALE_WEIGHT: Final = 5
_MIN_SCALE: Final = 0.01
_OUTLIER: Final = 2.0
"""An error counts in the scale for at most so many scales: one burst is not the end of all calm."""
_PRIOR_WEIGHT: Final = 15.0
_CENTRES: Final = np.linspace(-REACH, REACH, BINS)
_WIDTH: Final = _CENTRES[1] - _CENTRES[0]
_MODEL: Final = np.repeat(np.arange(len(Model)), len(MEMORIES))
_MEMORY: Final = np.tile(np.array(MEMORIES), len(Model))
_ROWS: Final = np.arange(EXPERTS)
# Heavier than Gaussian: the first big surprise must not be beyond imagination.
_SHAPE: Final = 1 / (1 + np.abs(_CENTRES) ** 4)
_PRIOR: Final = _PRIOR_WEIGHT * _SHAPE / _SHAPE.sum()


@dataclass(frozen=True)
class Issued:
    """A forecast as it was made, to be judged when its time has come."""

    points: Floats
    """[len(Model), SLOTS] requests a second."""
    scales: Floats
    """[SLOTS, EXPERTS] of the log error."""
    offset: float
    regressor: Regressor


@dataclass(frozen=True)
class Distribution:
    """The load expected at one lead."""

    loads: Floats
    """Requests a second, in no order."""
    weights: Floats
    """Probabilities of the loads; their sum is 1."""


@dataclass(frozen=True)
class Forecast:
    """The state of the forecast after some samples."""

    points: Points
    season: Season
    leads: tuple[int, ...]
    """Samples ahead, a slot each."""
    issued: tuple[Issued, ...] = ()
    """The last forecasts, newest last, as far back as the longest lead."""
    densities: Floats = field(default_factory=lambda: np.tile(_PRIOR, (SLOTS, EXPERTS, 1)))
    """[SLOTS, EXPERTS, BINS] decayed counts of errors, in scales."""
    spreads: Floats = field(default_factory=lambda: np.full((SLOTS, EXPERTS), FIRST_SCALE / 1.25))
    """[SLOTS, EXPERTS] mean absolute log error."""
    scores: Floats = field(default_factory=lambda: np.zeros((SLOTS, EXPERTS)))
    """[SLOTS, EXPERTS] decayed sum of the logarithmic scores."""
    errors: Floats = field(default_factory=lambda: np.zeros(len(Model)))
    """[len(Model)] decayed mean absolute error at the longest lead, in requests a second."""
    judged: int = 0
    """Forecasts whose time has come."""

    @classmethod
    def first(cls, load: float, at: float, seconds: float, leads: tuple[int, ...]) -> "Forecast":
        """After the first sample, at a time in seconds since the epoch; `seconds` is the sampling time."""
        season = Season().after(load, at, seconds)
        return cls(Points.first(load), season, leads)._issuing(at, seconds)

    def after(self, load: float, at: float, seconds: float, leads: tuple[int, ...]) -> "Forecast":
        """With one more sample, in order. A gap or other leads begin the judging anew."""
        learned = replace(self._judging(load, seconds), leads=leads)
        if leads != self.leads:
            learned = replace(learned, issued=())
        season = self.season.after(load, at, seconds)
        past = tuple(
            self.issued[-lead].regressor if lead <= len(self.issued) else None for lead in self.leads
        )
        points = self.points.after(load, seconds, past, season.factor(at))
        if season.period is not None and self.season.period is None:
            points = points.with_rhythm()
        return replace(learned, points=points, season=season)._issuing(at, seconds)

    def interrupted(self) -> "Forecast":
        """After a gap in the samples: what was forecast before it is not judged."""
        return replace(self, issued=())

    def distribution(self, slot: int) -> Distribution:
        """The load at a lead: a mixture of the experts."""
        newest = self.issued[-1]
        shifts = np.exp(_CENTRES[None, :] * newest.scales[slot][:, None])
        loads = (newest.points[_MODEL, slot] + newest.offset)[:, None] * shifts - newest.offset
        shape = self.densities[slot] / self.densities[slot].sum(axis=1, keepdims=True)
        weights = shape * self._weights(slot)[:, None]
        return Distribution(np.maximum(loads, 0.0).ravel(), weights.ravel())

    @property
    def model(self) -> Model:
        """The model that counts most at the longest lead."""
        by_model = np.bincount(_MODEL, weights=self._weights(SLOTS - 1), minlength=len(Model))
        return Model(int(np.argmax(by_model)))

    def status(self, ahead: float) -> ForecastStatus:
        """As status shows it, for `ahead` seconds from now."""
        model, mean = self.model, self.points.mean
        known = self.judged > 0 and mean > TINY
        return ForecastStatus(
            requests_per_second=round(float(self.issued[-1].points[model, -1]), 2),
            seconds_ahead=round(ahead),
            model=model.title,
            error_percent=round(100 * self.errors[model] / mean, 1) if known else None,
            last_value_error_percent=round(100 * self.errors[Model.LAST_VALUE] / mean, 1) if known else None,
        )

    def _weights(self, slot: int) -> Floats:
        """[EXPERTS] shares in the mixture."""
        scores = self.scores[slot]
        bar = scores[_MODEL == Model.LAST_VALUE].max()
        closer = (self.errors < self.errors[Model.LAST_VALUE])[_MODEL]
        better = (scores > bar) & closer | (_MODEL == Model.LAST_VALUE)
        weights = np.where(better, np.exp(scores - scores.max()), 0.0)
        shares: Floats = weights / weights.sum()
        return shares

    def _judging(self, load: float, seconds: float) -> "Forecast":
        """The earlier forecasts of this very load against it."""
        densities, spreads, scores = self.densities.copy(), self.spreads.copy(), self.scores.copy()
        errors, judged = self.errors, self.judged
        # A rhythm shows its worth at its peaks only: all of a period must count.
        memory = max(SCORE_SECONDS, self.season.period or 0.0)
        for slot, lead in enumerate(self.leads):
            if lead > len(self.issued):
                continue
            past = self.issued[-lead]
            error = np.log((load + past.offset) / (past.points[_MODEL, slot] + past.offset))
            scale = past.scales[slot]
            bins = np.clip(np.rint((error / scale + REACH) / _WIDTH), 0, BINS - 1).astype(np.intp)
            chance = _smoothed(densities[slot], bins) / scale / (load + past.offset)
            scores[slot] = math.exp(-seconds / memory) * scores[slot] + np.log(chance + TINY)
            densities[slot] *= _forgetting(seconds, judged)
            densities[slot, _ROWS, bins] += 1
            count = judged + _FIRST_SCALE_WEIGHT
            rate = np.maximum(1 - np.exp(-seconds / _MEMORY), 1 / (count + 1))
            seen = np.minimum(np.abs(error), _OUTLIER * spreads[slot] + _MIN_SCALE)
            spreads[slot] += rate * (seen - spreads[slot])
        if self.leads[-1] <= len(self.issued):
            judged += 1
            wrong = np.abs(self.issued[-self.leads[-1]].points[:, -1] - load)
            errors = errors + max(1 - math.exp(-seconds / ERROR_SECONDS), 1 / judged) * (wrong - errors)
        return replace(
            self, densities=densities, spreads=spreads, scores=scores, errors=errors, judged=judged
        )

    def _issuing(self, at: float, seconds: float) -> "Forecast":
        """With the forecast of now."""
        factors = np.array([self.season.factor(at + lead * seconds) for lead in self.leads])
        newest = Issued(
            points=self.points.forecasts(self.leads, factors),
            scales=1.25 * self.spreads + _MIN_SCALE,
            offset=OFFSET * self.points.mean + TINY,
            regressor=self.points.regressor,
        )
        return replace(self, issued=(*self.issued[1 - self.leads[-1] :], newest))


def leads_of(seconds: float, sample_seconds: float) -> tuple[int, ...]:
    """The leads in samples when a pod that is ordered now is ready `seconds` from now.

    The last one covers the sample that begins then: later orders are in time for what comes after it. The
    number is rounded up on a scale of quarters, so that a start-up time that wobbles does not change it.
    """
    last = max(SLOTS, math.ceil(seconds / sample_seconds) + 1)
    unit = 2 ** max(0, int(math.log2(last)) - 2)
    last = math.ceil(last / unit) * unit
    return (1, (1 + last) // 2, last)


def _smoothed(counts: Floats, bins: NDArray[np.intp]) -> Floats:
    """[EXPERTS] share of a bin and its neighbours."""
    left, right = np.maximum(bins - 1, 0), np.minimum(bins + 1, BINS - 1)
    near: Floats = counts[_ROWS, bins] + counts[_ROWS, left] + counts[_ROWS, right]
    shares: Floats = near / 3 / counts.sum(axis=1)
    return shares


def _forgetting(seconds: float, judged: int) -> float:
    """What earlier errors still count. The first minutes of a service are forgotten as it gets older."""
    return min(math.exp(-seconds / DENSITY_SECONDS), 1 - 1 / (judged + 10))
