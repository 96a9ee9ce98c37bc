"""Errors of forecasts."""

import numpy as np
import pytest
from bench.forecasts import LAGS, explained, forecasts, in_hindsight, samples

from ragops.scaling.simulation.trace import Trace


def test_samples_are_means() -> None:
    trace = Trace("t", (10, 10, 10), (1.0, 4.0, 7.0))
    assert samples(trace, 15).tolist() == pytest.approx([2, 6])


def test_a_perfect_guess_explains_all_and_the_mean_nothing() -> None:
    actual = np.array([1.0, 2.0, 6.0])
    assert explained(actual, actual) == 1
    assert explained(actual, np.full(3, 3.0)) == 0


def test_a_rhythm_is_explained_in_hindsight_and_noise_is_not() -> None:
    noise = np.random.default_rng(1).uniform(1, 9, 5000)
    wave = 5 + np.sin(np.arange(5000) / 7)
    assert in_hindsight(wave, 3) == pytest.approx(1)
    assert in_hindsight(noise, 3) < 2 * LAGS / len(noise)


def test_a_constant_load_is_forecast() -> None:
    assert forecasts(np.full(200, 8.0), 15, (1, 2, 3))[-1] == pytest.approx(8, rel=0.05)
