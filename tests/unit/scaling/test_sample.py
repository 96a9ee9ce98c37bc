"""Readings: what counts as a value, and the cautious values that one pod cannot move."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scaling.running import examples

from ragops.scaling.sample import MAX_VALUE, reading


@pytest.mark.parametrize("bad", [None, math.nan, math.inf, -1.0, 1.01 * MAX_VALUE])
def test_what_cannot_be_is_missing(bad: float | None) -> None:
    found = reading([10.0, bad, 30.0])
    assert (found.measured, found.ready, found.average, found.complete) == (2, 3, 20.0, False)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 1.01 * MAX_VALUE])
def test_so_is_what_has_an_impossible_weight(bad: float) -> None:
    found = reading([10.0, 500.0, 30.0], [3.0, bad, 1.0])
    assert (found.measured, found.average) == (2, 15.0)


def test_weights_are_those_of_the_requests() -> None:
    assert reading([100.0, 200.0], [3.0, 1.0]).average == 125.0
    assert reading([100.0, 200.0], [0.0, 0.0]).average == 0.0
    assert reading([]).average is None


def test_missing_pods_are_idle_and_the_highest_no_more_than_the_next() -> None:
    found = reading([20.0, 40.0, 900.0, None])
    assert found.average == 320.0
    assert found.typical == pytest.approx(100 / 3)
    assert found.floor == pytest.approx(100 / 4)
    assert reading([20.0, 900.0]).floor == 460.0  # of two nobody can say which one is the exception


values = st.lists(st.floats(0, 1e6), min_size=3, max_size=8)


@given(values=values, absurd=st.floats(0, MAX_VALUE))
@examples(200)
def test_one_pod_cannot_raise_the_cautious_value_above_the_others(values: list[float], absurd: float) -> None:
    floor = reading([*values, absurd]).floor
    assert floor is not None
    assert floor <= max(values) + 0.5  # for rounding: MAX_VALUE has no decimals


@given(values=values, more=st.lists(st.floats(0, 1e6), min_size=8, max_size=8))
@examples(200)
def test_the_cautious_value_grows_with_each_value(values: list[float], more: list[float]) -> None:
    lower, higher = reading(values).floor, reading([a + b for a, b in zip(values, more, strict=False)]).floor
    assert lower is not None
    assert higher is not None
    assert lower <= higher + 1e-6  # for rounding
