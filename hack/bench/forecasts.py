"""How wrong the forecast of mode Predictive is on the recorded loads, beside the last value.

Also how much of a load's variance its own past explains at all, as far as a linear function of it can tell
that is fitted in hindsight: no forecast that has to be made in time can be expected to do much better.
"""

from typing import Final

import numpy as np

from bench.page import table
from bench.scaling import PARAMETERS, loads
from ragops.scaling.arrays import Floats
from ragops.scaling.forecast import Forecast, leads_of
from ragops.scaling.points import SLOTS
from ragops.scaling.simulation.trace import Trace

LAGS: Final = 20
"""Past samples that the function in hindsight is made of."""
LEARNING: Final = 10
"""The first of so many parts of a load is not judged."""


def report() -> str:
    """A table."""
    header = (
        "load",
        "seconds ahead",
        "error of the forecast",
        "of the last value",
        "R² of the forecast",
        "of the last value",
        "in hindsight",
    )
    return table(header, map(_row, loads()))


def _row(trace: Trace) -> list[str]:
    seconds = PARAMETERS.sample_seconds
    load, leads = samples(trace, seconds), leads_of(max(PARAMETERS.start_up), seconds)
    lead = leads[-1]
    skipped = len(load) // LEARNING
    actual, last = load[lead + skipped :], load[skipped:-lead]
    forecast = forecasts(load, seconds, leads)[skipped:-lead]
    errors = (f"{100 * np.abs(actual - guess).mean() / actual.mean():.1f} %" for guess in (forecast, last))
    shares = (explained(actual, forecast), explained(actual, last), in_hindsight(load, lead))
    return [trace.name, str(lead * seconds), *errors, *(f"{share:.2f}" for share in shares)]


def samples(trace: Trace, seconds: int) -> Floats:
    """[n] mean requests/s between two samples; a rest at the end that fills none is left out."""
    rates = trace.per_tick()
    means: Floats = rates[: len(rates) // seconds * seconds].reshape(-1, seconds).mean(axis=1)
    return means


def forecasts(load: Floats, seconds: int, leads: tuple[int, ...]) -> Floats:
    """[n] requests/s: what was expected at each sample for the longest lead after it."""
    first, *others = load.tolist()
    forecast = Forecast.first(first, 0.0, seconds, leads)
    expected = [_mean(forecast)]
    for number, value in enumerate(others, 1):
        forecast = forecast.after(value, number * seconds, seconds, leads)
        expected.append(_mean(forecast))
    return np.array(expected)


def explained(actual: Floats, guess: Floats) -> float:
    """Coefficient of determination, R² = 1 - SSE / SST; negative where the mean is the better guess."""
    return 1 - float(((actual - guess) ** 2).mean() / actual.var())


def in_hindsight(load: Floats, lead: int) -> float:
    """R² of the linear function of the last LAGS samples that fits best, by ordinary least squares."""
    past = np.lib.stride_tricks.sliding_window_view(load[:-lead], LAGS)
    regressors = np.column_stack([np.ones(len(past)), past])
    target = load[lead + LAGS - 1 :]
    weights, *_ = np.linalg.lstsq(regressors, target, rcond=None)
    return explained(target, regressors @ weights)


def _mean(forecast: Forecast) -> float:
    ahead = forecast.distribution(SLOTS - 1)
    return float(ahead.loads @ ahead.weights)
