"""Rhythms are found where there are some, and only there."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from ragops.scaling.season import LONGEST_BUCKET, SIZE, Season

HOUR, DAY = 3600.0, 86_400.0
BEGIN = 1_767_225_600.0


def seen(load: Callable[[float], float], times: Iterable[float], seconds: float) -> Season:
    """After samples of a load that is a function of time."""
    season = Season()
    for at in times:
        season = season.after(load(at), BEGIN + at, seconds)
    return season


def every(seconds: float, until: float) -> np.ndarray:
    return np.arange(0.0, until, seconds)


def wave(period: float) -> Callable[[float], float]:
    return lambda at: 50 + 30 * math.sin(2 * math.pi * at / period)


def busy_begin(period: float) -> Callable[[float], float]:
    """A sixth of the period is busy."""
    return lambda at: 60.0 if at % period < period / 6 else 10.0


def noisy(load: Callable[[float], float], share: float) -> Callable[[float], float]:
    random = np.random.default_rng(3)
    return lambda at: load(at) * (1 + share * random.uniform(-1, 1))


@pytest.mark.parametrize("shape", [wave, busy_begin])
@pytest.mark.parametrize(
    ("period", "seconds", "periods"), [(HOUR, 60.0, 5), (HOUR, 15.0, 4), (DAY, 300.0, 4), (DAY, 15.0, 3)]
)
def test_hours_and_days_are_found(
    shape: Callable[[float], Callable[[float], float]], period: float, seconds: float, periods: int
) -> None:
    load = shape(period)
    season = seen(noisy(load, 0.1), every(seconds, periods * period), seconds)
    assert season.period == pytest.approx(period, rel=0.02)
    times = np.arange(0.02, 1.0, 0.1) * period + BEGIN + periods * period
    mean = np.mean([load(at) for at in np.arange(0, period, period / 500)])
    expected = np.array([load(at - BEGIN) / mean for at in times])
    assert np.array([season.factor(at) for at in times]) == pytest.approx(expected, rel=0.3, abs=0.2)


def test_the_period_is_not_a_multiple_of_itself() -> None:
    """Eight hours of an hourly rhythm correlate at two, three and four hours as well."""
    season = seen(busy_begin(HOUR), every(60.0, 8 * HOUR), 60.0)
    assert season.period == pytest.approx(HOUR, rel=0.01)


@pytest.mark.parametrize(
    "load",
    [
        lambda _: 0.0,
        lambda _: 35.0,
        lambda _: 1e15,
        lambda at: at / 100,
        noisy(lambda _: 35.0, 0.5),
        lambda at: 1e6 if at == 6000 else 1.0,
    ],
    ids=["zero", "constant", "huge", "rising", "noise", "one-spike"],
)
def test_no_rhythm_in_what_has_none(load: Callable[[float], float]) -> None:
    season = seen(load, every(60.0, 8 * HOUR), 60.0)
    assert season.period is None
    assert season.factor(BEGIN + 9 * HOUR) == 1.0


def test_no_rhythm_before_it_was_seen_twice() -> None:
    assert seen(wave(HOUR), every(60.0, 1.9 * HOUR), 60.0).period is None


def test_a_gap_does_not_hide_the_rhythm() -> None:
    times = [at for at in every(60.0, 9 * HOUR) if not 3.2 * HOUR < at < 3.9 * HOUR]
    assert seen(wave(HOUR), times, 60.0).period == pytest.approx(HOUR, rel=0.02)


def test_halving_keeps_the_mean() -> None:
    random = np.random.default_rng(5)
    loads = random.uniform(0, 100, SIZE + 100)
    season = seen(lambda at: loads[int(at / 15)], every(15.0, 15.0 * len(loads)), 15.0)
    assert season.bucket_seconds == 30.0
    assert len(season.totals) <= SIZE
    assert season.totals.sum() == pytest.approx(loads.sum())
    assert season.counts.sum() == len(loads)
    assert season.totals[:3] == pytest.approx(loads[:6].reshape(3, 2).sum(axis=1))


def test_buckets_do_not_get_too_long_for_a_day() -> None:
    """Two months: the oldest part goes, and the rhythm stays."""
    season = seen(wave(DAY), every(300.0, 60 * DAY), 300.0)
    assert season.bucket_seconds <= LONGEST_BUCKET
    assert len(season.totals) <= SIZE
    assert len(season.totals) * season.bucket_seconds > 15.4 * DAY  # two weeks and some can still be told
    assert season.period == pytest.approx(DAY, rel=0.01)
    assert season.factor(BEGIN + 60.25 * DAY) == pytest.approx(1.6, rel=0.1)


def test_a_clock_that_is_set_harms_nothing() -> None:
    season = seen(wave(HOUR), every(60.0, 5 * HOUR), 60.0)
    back = season.after(99.0, BEGIN + HOUR, 60.0)
    assert (back.period, back.totals.sum()) == (season.period, season.totals.sum())
    anew = season.after(99.0, BEGIN - DAY, 60.0)
    assert (anew.period, anew.totals.tolist()) == (None, [99.0])
    anew = season.after(99.0, BEGIN + 3650 * DAY, 60.0)
    assert (anew.bucket_seconds, anew.totals.tolist()) == (60.0, [99.0])
