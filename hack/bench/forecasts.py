"""How wrong the forecast of mode Predictive is on the recorded loads, beside the last value."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from ragops.scaling.arrays import Floats
from ragops.scaling.forecast import Forecast, leads_of
from ragops.scaling.points import SLOTS
from ragops.scaling.simulation.trace import Trace

from bench.page import table
from bench.scaling import PARAMETERS, loads

LAGS: Final = 20
"""Past samples, and their squares, of which the best linear function in hindsight is made."""


@dataclass(frozen=True)
class Errors:
    """Of forecasts at one lead, after the first day or the first quarter, whichever is shorter."""


def report() -> str:
    """A table."""
    header = ("load", "ahead s", "forecast: error %", "last value: error %", "forecast: R²", "last value: R²", "hindsight: R²")
    return table(header, [_row(trace) for trace in loads()])


def samples(trace: Trace, seconds: int) -> Floats:
    """[n] mean requests/s between samples; what does not fill one at the end is left out."""
    rates = trace.per_tick()
    whole = len(rates) // seconds * seconds
    means: Floats = rates[:whole].reshape(-1, seconds).mean(axis=1)
    return means


def forecasts(load: Floats, seconds: int, leads: tuple[int, ...]) -> Floats:
    """[n] the mean of what was expected, at each sample, for the longest lead after it."""
    forecast = Forecast.first(load[0], 0.0, seconds, leads)
    expected = [load[0]]
    for number, value in enumerate(load[1:].tolist(), 1):
        forecast = forecast.after(value, number * seconds, seconds, leads)
        ahead = forecast.distribution(SLOTS - 1)
        expected.append(float(ahead.loads @ ahead.weights))
    return np.array(expected)
