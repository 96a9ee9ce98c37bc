"""Point forecasts of the load some samples ahead: the models that the forecast chooses from.

LastValue: it stays as it is. Trend: Holt's linear method with a damped trend (Hyndman, Athanasopoulos,
Forecasting, chapter 8). Reverting: a first-order autoregression of the log load about its slow mean, by
recursive least squares. Seasonal: a level times the profile of the rhythm that was found (scaling/season.py).
"""

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np

from ragops.scaling.arrays import Floats

SLOTS: Final = 3
"""Leads that are forecast: the next sample, the one for which pods ordered now are ready, one in between."""

TINY: Final = 1e-6
"""Requests a second that are as good as none."""

MEAN_SECONDS: Final = 7500.0
SLOW_SECONDS: Final = 6000.0
LEVEL_SECONDS: Final = 300.0
FIT_SECONDS: Final = 30_000.0
_HOLT_LEVEL: Final = 0.6
_HOLT_TREND: Final = 0.2
_HOLT_DAMPING: Final = 0.9
_PRIOR: Final = np.diag([3.0, 9.0])
_START: Final = np.array([0.0, 0.0])
_PROFILE_FLOOR: Final = 0.1
_MAX_LOG: Final = 3.0


class Model(IntEnum):
    """The models, in the order of the arrays' rows."""

    LAST_VALUE = 0
    TREND = 1
    REVERTING = 2
    SEASONAL = 3

    @property
    def title(self) -> str:
        """As status shows it."""
        return self.name.title().replace("_", "")


@dataclass(frozen=True)
class Regressor:
    """What the autoregression went by at one time: its target is compared with it later."""

    deviation: float
    base: float
    offset: float


@dataclass(frozen=True)
class Points:
    """The state of all models."""

    count: int
    mean: float
    """Slow mean of the load."""
    last: float
    level: float
    """Of Holt's method."""
    trend: float
    """Of Holt's method, per sample."""
    slow_log: float
    """Slow mean of the log load."""
    seasonal: float
    """Level of the load without its rhythm."""
    normal: Floats
    """[SLOTS, 2, 2] sums of the autoregression's squared regressors."""
    moment: Floats
    """[SLOTS, 2] sums of regressors times targets."""

    @classmethod
    def first(cls, load: float) -> "Points":
        """After the first sample."""
        normal = np.repeat(_PRIOR[None], SLOTS, axis=0)
        return cls(1, load, load, load, 0.0, math.log(load + load + TINY), load, normal, normal @ _START)

    @property
    def offset(self) -> float:
        """Added before logarithms are taken, so that a load near zero is no matter of many orders."""
        return self.mean + TINY

    @property
    def regressor(self) -> Regressor:
        """What the autoregression goes by now."""
        return Regressor(math.log(self.last + self.offset) - self.slow_log, self.slow_log, self.offset)

    def after(
        self, load: float, seconds: float, past: tuple[Regressor | None, ...], factor: float
    ) -> "Points":
        """With one more sample.

        Args:
            load: requests a second.
            seconds: since the sample before.
            past: the regressors as they were one lead before this sample, a slot each.
            factor: the rhythm's factor for this sample.
        """
        count = self.count + 1
        mean = self.mean + _rate(seconds, MEAN_SECONDS, count) * (load - self.mean)
        expected = self.level + _HOLT_DAMPING * self.trend
        level = expected + _HOLT_LEVEL * (load - expected)
        trend = _HOLT_DAMPING * self.trend + _HOLT_TREND * (level - self.level - _HOLT_DAMPING * self.trend)
        log = math.log(load + mean + TINY)
        bare = (load + _PROFILE_FLOOR * mean) / (factor + _PROFILE_FLOOR)
        normal, moment = self._fitted(load, seconds, past)
        return Points(
            count=count,
            mean=mean,
            last=load,
            level=level,
            trend=trend,
            slow_log=self.slow_log + _rate(seconds, SLOW_SECONDS, count) * (log - self.slow_log),
            seasonal=self.seasonal + _rate(seconds, LEVEL_SECONDS, count) * (bare - self.seasonal),
            normal=normal,
            moment=moment,
        )

    def with_rhythm(self) -> "Points":
        """The level begins anew at the mean: a rhythm was found that is not the one of before."""
        return replace(self, seasonal=self.mean)

    def forecasts(self, leads: tuple[int, ...], factors: Floats) -> Floats:
        """[len(Model), SLOTS] requests a second. `factors`: those of the rhythm at the leads, in samples."""
        ahead = np.array(leads, dtype=float)
        damped = _HOLT_DAMPING * (1 - _HOLT_DAMPING**ahead) / (1 - _HOLT_DAMPING)
        now = self.regressor
        weights = np.linalg.solve(self.normal, self.moment[..., None])[..., 0]
        logs = weights @ np.array([now.deviation, 1.0])
        reverting = np.exp(np.clip(logs, -_MAX_LOG, _MAX_LOG) + now.base) - now.offset
        seasonal = self.seasonal * (factors + _PROFILE_FLOOR) - _PROFILE_FLOOR * self.mean
        rows = [np.full(SLOTS, self.last), self.level + damped * self.trend, reverting, seasonal]
        loads: Floats = np.maximum(np.array(rows), 0.0)
        return loads

    def _fitted(
        self, load: float, seconds: float, past: tuple[Regressor | None, ...]
    ) -> tuple[Floats, Floats]:
        """The autoregression's sums with what this sample says of the regressors of before."""
        keep = math.exp(-seconds / FIT_SECONDS)
        normal, moment = self.normal.copy(), self.moment.copy()
        for slot, regressor in enumerate(past):
            if regressor is None:
                continue
            row = np.array([regressor.deviation, 1.0])
            target = math.log(load + regressor.offset) - regressor.base
            target = min(max(target, -_MAX_LOG), _MAX_LOG)
            normal[slot] = keep * (normal[slot] - _PRIOR) + _PRIOR + np.outer(row, row)
            moment[slot] = keep * (moment[slot] - _PRIOR @ _START) + _PRIOR @ _START + target * row
        return normal, moment


def _rate(seconds: float, memory: float, count: int) -> float:
    """Weight of the newest of `count` samples in an exponential mean that has not run in yet."""
    return max(1 - math.exp(-seconds / memory), 1 / count)
