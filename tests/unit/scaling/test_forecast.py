"""The forecast knows how wrong it is, and goes by the model that has been right."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scaling.running import examples

from ragops.scaling.forecast import Forecast, leads_of
from ragops.scaling.points import SLOTS, Model

SECONDS = 60.0
LEADS = (1, 2, 3)
BEGIN = 1_767_225_600.0


def after(loads: Iterable[float], leads: tuple[int, ...] = LEADS) -> Forecast:
    """After samples of these loads."""
    at, forecast = BEGIN, None
    for load in loads:
        forecast = (
            forecast.after(load, at, SECONDS, leads) if forecast else Forecast.first(load, at, SECONDS, leads)
        )
        at += SECONDS
    assert forecast is not None
    return forecast


def shares(forecast: Forecast) -> dict[Model, float]:
    """Weight of each model at the longest lead."""
    weights = forecast._weights(SLOTS - 1)
    return {model: float(weights.reshape(len(Model), -1)[model].sum()) for model in Model}


def wave(count: int, noise: float = 0.0) -> list[float]:
    random = np.random.default_rng(2)
    return [
        (50 + 30 * math.sin(2 * math.pi * i / 60)) * (1 + noise * random.standard_normal())
        for i in range(count)
    ]


def test_a_constant_load_is_its_last_value() -> None:
    forecast = after([35.0] * 300)
    status = forecast.status(180)
    assert (status.model, status.error_percent, status.last_value_error_percent) == ("LastValue", 0.0, 0.0)
    expected = forecast.distribution(SLOTS - 1)
    assert expected.loads @ expected.weights == pytest.approx(35.0, rel=0.02)
    assert expected.weights[np.abs(expected.loads - 35) < 2].sum() > 0.98


def test_a_rhythm_is_known_better_than_by_the_last_value() -> None:
    forecast = after(wave(480, noise=0.05))
    status = forecast.status(180)
    assert status.model == "Seasonal"
    assert status.error_percent is not None
    assert status.last_value_error_percent is not None
    assert status.error_percent < 0.7 * status.last_value_error_percent


@pytest.mark.parametrize(
    ("ahead", "error", "used"), [(0.0, 1.0, False), (-3.0, 1.0, False), (0.5, 2.0, False), (0.5, 1.9, True)]
)
def test_an_expert_that_is_no_better_than_the_last_value_is_not_used(
    ahead: float, error: float, used: bool
) -> None:
    """Better by its score and by its mean error, which is 2 for the last value."""
    scores = np.full((SLOTS, len(Model), 3), -100.0)
    scores[:, Model.LAST_VALUE, 1] = -90.0
    scores[:, Model.TREND, 2] = -90.0 + ahead
    errors = np.array([2.0, error, 1.0, 1.0])
    found = shares(replace(after(wave(30)), scores=scores.reshape(SLOTS, -1), errors=errors))
    assert (found[Model.TREND] > 0) is used
    assert found[Model.REVERTING] == found[Model.SEASONAL] == 0
    assert sum(found.values()) == pytest.approx(1)


def test_a_model_that_was_used_is_dropped_when_it_fails() -> None:
    """A rhythm that ended two periods ago."""
    forecast = after([*wave(360, noise=0.05), *[50.0] * 120])
    assert forecast.model is Model.LAST_VALUE
    assert shares(forecast)[Model.SEASONAL] < 0.01


def test_quantiles_are_what_they_say() -> None:
    """Of loads with a seeded noise about a level that wanders, as many lie below each quantile as it says."""
    random = np.random.default_rng(8)
    level = 50 + np.cumsum(random.standard_normal(900))
    loads = np.maximum(level, 5) * np.exp(0.2 * random.standard_normal(900))
    forecast, ranks = Forecast.first(loads[0], BEGIN, SECONDS, LEADS), []
    issued = []
    for i, load in enumerate(loads[1:], 1):
        if i > 150:
            expected = issued[-LEADS[-1]]
            ranks.append(expected.weights[expected.loads <= load].sum())
        forecast = forecast.after(load, BEGIN + i * SECONDS, SECONDS, LEADS)
        issued.append(forecast.distribution(SLOTS - 1))
    for quantile in (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99):
        assert np.mean(np.array(ranks) <= quantile) == pytest.approx(quantile, abs=0.06)


def test_a_gap_is_not_judged() -> None:
    before = after(wave(30))
    interrupted = before.interrupted().after(500.0, BEGIN + 9e4, SECONDS, LEADS)
    assert interrupted.judged == before.judged
    assert interrupted.errors.tolist() == before.errors.tolist()


def test_other_leads_begin_the_judging_anew_and_keep_what_was_judged() -> None:
    before = after(wave(30))
    longer = (1, 4, 7)
    forecast = before.after(50.0, BEGIN + 30 * SECONDS, SECONDS, longer)
    judged = forecast.judged
    for i in range(1, 7):
        forecast = forecast.after(50.0, BEGIN + (30 + i) * SECONDS, SECONDS, longer)
        assert forecast.judged == judged
    assert forecast.after(50.0, BEGIN + 37 * SECONDS, SECONDS, longer).judged == judged + 1


loads = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 100), st.sampled_from([5e-324, 1e18, 1e9])), min_size=1, max_size=25
)


@given(loads=loads, repeated=st.integers(1, 8))
@examples(60)
def test_whatever_the_load_the_distribution_is_one(loads: list[float], repeated: int) -> None:
    forecast = after(load for load in loads for _ in range(repeated))
    for slot in range(SLOTS):
        expected = forecast.distribution(slot)
        assert np.isfinite(expected.loads).all()
        assert (expected.loads >= 0).all()
        assert expected.weights.sum() == pytest.approx(1.0)
        assert (expected.weights >= 0).all()
    status = forecast.status(60)
    assert all(
        error is None or math.isfinite(error)
        for error in (status.error_percent, status.last_value_error_percent)
    )


@pytest.mark.parametrize(
    ("seconds", "every", "expected"),
    [
        (0.1, 15, (1, 2, 3)),
        (30, 15, (1, 2, 3)),
        (31, 15, (1, 2, 4)),
        (120, 15, (1, 5, 10)),
        (600, 15, (1, 24, 48)),
    ],
)
def test_leads_cover_the_start_and_a_sample_more(
    seconds: float, every: float, expected: tuple[int, ...]
) -> None:
    assert leads_of(seconds, every) == expected


def test_a_start_that_wobbles_seldom_changes_the_leads() -> None:
    assert len({leads_of(seconds, 15) for seconds in range(110, 131)}) <= 2
