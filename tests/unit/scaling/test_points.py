"""Point forecasts: each model is right about the loads that it is made for, and none breaks on any other."""

import math
from collections import deque
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scaling.running import examples

from ragops.scaling.points import Model, Points, Regressor
from ragops.scaling.sample import MAX_VALUE

LEADS = (1, 2, 4)
SECONDS = 15.0


def after(loads: Iterable[float], factors: Iterable[float] | None = None) -> Points:
    """After samples of these loads; `factors` are the rhythm's."""
    loads = list(loads)
    points = Points.first(loads[0])
    known: deque[Regressor] = deque([points.regressor], maxlen=LEADS[-1])
    for load, factor in zip(loads[1:], list(factors or [1.0] * len(loads))[1:], strict=True):
        past = tuple(known[-lead] if lead <= len(known) else None for lead in LEADS)
        points = points.after(load, SECONDS, past, factor)
        known.append(points.regressor)
    return points


def forecast(points: Points, model: Model, factors: tuple[float, ...] = (1.0, 1.0, 1.0)) -> list[float]:
    return points.forecasts(LEADS, np.array(factors))[model].tolist()


@pytest.mark.parametrize("model", Model)
@pytest.mark.parametrize("load", [0.0, 5e-324, 1e-3, 35.0, MAX_VALUE])
def test_a_constant_load_stays(model: Model, load: float) -> None:
    assert forecast(after([load] * 300), model) == pytest.approx([load] * 3, rel=1e-3, abs=1e-5)


def test_a_line_goes_on_but_not_for_ever() -> None:
    """The damping takes some of the slope: of each sample ahead a tenth more than of the one before."""
    points = after(float(load) for load in range(100, 200))
    near, _, far = forecast(points, Model.TREND)
    assert 199.4 < near < 200
    assert near + 1.5 < far < 203
    assert forecast(points, Model.LAST_VALUE) == [199.0] * 3


def test_what_reverts_to_its_mean_is_expected_to() -> None:
    """x' = 0.7 x + noise: after a large value, 0.7 of it one sample later and 0.7 ** 4 four samples later."""
    random, x, loads = np.random.default_rng(11), 0.0, []
    for _ in range(3000):
        x = 0.7 * x + 0.2 * random.standard_normal()
        loads.append(50 * math.exp(x))
    loads.append(50 * math.exp(0.8))
    near, _, far = forecast(after(loads), Model.REVERTING)
    assert near == pytest.approx(50 * math.exp(0.7 * 0.8), rel=0.1)
    assert far == pytest.approx(50 * math.exp(0.7**4 * 0.8), rel=0.1)


def test_a_rhythm_is_its_level_times_its_factor() -> None:
    factors = [1.8 if i % 4 == 0 else 0.6 for i in range(200)]
    points = after((50 * factor for factor in factors), factors)
    assert forecast(points, Model.SEASONAL, (1.8, 0.6, 1.0)) == pytest.approx([90, 30, 50], rel=0.02)


series = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 100), st.floats(0, 1e18), st.sampled_from([5e-324, 1e-300, 1e18])),
    min_size=1,
    max_size=40,
)


@given(loads=series, gap=st.sampled_from([1.0, 15.0, 1e9]))
@examples(200)
def test_whatever_the_load_forecasts_are_finite(loads: list[float], gap: float) -> None:
    points = after(loads).after(loads[0], gap, (None, None, None), 0.0)
    found = points.forecasts(LEADS, np.array([0.0, 1.0, 96.0]))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
