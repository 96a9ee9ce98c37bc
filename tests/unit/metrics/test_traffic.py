"""Increases of counters over resets, and percentiles from buckets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragops.api.autoscaling import EndpointSpec
from ragops.metrics.exposition import Exposition, Series
from ragops.metrics.traffic import Scrape, Traffic, increases, merged, quantile, traffic

NAMES = EndpointSpec(
    request_seconds="seconds", requests="requests_total", errors="errors_total", queue_depth="queue"
)


def series(name: str, **labels: str) -> Series:
    return Series(name, frozenset(labels.items()))


def scrape(at: float, values: dict[Series, float]) -> Scrape:
    return Scrape(at, 0, Exposition(values))


def between(before: dict[Series, float], after: dict[Series, float]) -> Traffic | None:
    return traffic(scrape(10, before), scrape(15, after), NAMES)


def test_all_series_of_a_name_count() -> None:
    one, other = {"route": "/a"}, {"route": "/b"}
    found = between(
        {
            series("seconds_count", **one): 5,
            series("seconds_count", **other): 100,
            series("seconds_sum", **one): 1.0,
            series("seconds_sum", **other): 50.0,
            series("seconds_bucket", le="0.5", **one): 4,
            series("seconds_bucket", le="+Inf", **one): 5,
            series("requests_total", status="200"): 104,
            series("queue"): 9,
        },
        {
            series("seconds_count", **one): 7,
            series("seconds_count", **other): 101,
            series("seconds_sum", **one): 2.5,
            series("seconds_sum", **other): 50.5,
            series("seconds_bucket", le="0.5", **one): 5,
            series("seconds_bucket", le="+Inf", **one): 7,
            series("requests_total", status="200"): 106,
            series("requests_total", status="500"): 1,
            series("errors_total", code="x"): 1,
            series("queue"): 2,
        },
    )
    assert found == Traffic(seconds=5, timed=3, busy=2.0, buckets={0.5: 1, math.inf: 2}, requests=3, errors=1)


def test_the_parts_of_a_histogram_begin_anew_together() -> None:
    bucket = series("seconds_bucket", le="+Inf")
    before = {series("seconds_count"): 100, series("seconds_sum"): 1.0, bucket: 5}
    found = between(before, {series("seconds_count"): 10, series("seconds_sum"): 50.0, bucket: 10})
    assert found is not None
    assert (found.timed, found.busy, found.buckets) == (10, 50.0, {math.inf: 10})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e300])
@pytest.mark.parametrize("name", ["requests_total", "seconds_sum"])
def test_numbers_that_no_counting_gives(value: float, name: str) -> None:
    assert between({series(name): 0}, {series(name): value, series(name, a="b"): 5}) is None


def test_a_gauge_may_be_anything() -> None:
    assert between({}, {series("queue"): math.nan}) is not None


@given(st.lists(st.one_of(st.none(), st.integers(0, 1000)), min_size=1), st.integers(0, 1000))
def test_increases_add_up_over_restarts(events: list[int | None], first: int) -> None:
    """None: a restart, after which the counter is lower when it is scraped next."""
    counter, seen, total, truth = first, first, 0.0, 0.0
    for event in events:
        if event is None:
            counter = counter // 2
            truth += counter
        else:
            counter += event
            truth += event
        one = series("requests_total")
        total += increases({one: seen}, {one: counter})[one]
        seen = counter
    # A restart at zero leaves nothing to see: zero after zero.
    assert total == truth


@given(
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e9), max_size=3),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e9), max_size=3),
)
def test_increases_are_never_negative_nor_above_the_counter(
    before: dict[str, float], after: dict[str, float]
) -> None:
    old = {series("x", a=name): value for name, value in before.items()}
    new = {series("x", a=name): value for name, value in after.items()}
    found = increases(old, new)
    assert found.keys() == new.keys()
    assert all(0 <= increase <= new[one] for one, increase in found.items())


@pytest.mark.parametrize("q", [0.01, 0.5, 0.9, 0.99])
def test_percentiles_agree_with_the_true_ones_within_a_bucket(q: float) -> None:
    times = np.random.default_rng(5).lognormal(-1, 0.7, 20_000)
    bounds = [*np.linspace(0.05, 10, 200), math.inf]
    buckets = {float(bound): float((times <= bound).sum()) for bound in bounds}
    assert quantile(q, buckets) == pytest.approx(float(np.quantile(times, q)), abs=0.05)


def test_interpolation_is_that_of_histogram_quantile() -> None:
    buckets = {0.1: 10.0, 0.5: 30.0, 1.0: 30.0, math.inf: 40.0}
    assert quantile(0.125, buckets) == pytest.approx(0.05)
    assert quantile(0.5, buckets) == pytest.approx(0.3)
    assert quantile(0.75, buckets) == pytest.approx(0.5)
    assert quantile(0.99, buckets) == 1.0, "the last bucket has no upper bound"


@pytest.mark.parametrize(
    "buckets",
    [{}, {0.1: 0.0, math.inf: 0.0}, {0.1: 5.0}, {math.inf: 5.0}, {math.nan: 5.0}],
)
def test_buckets_without_a_percentile(buckets: dict[float, float]) -> None:
    assert quantile(0.5, buckets) is None


def test_pods_with_different_bounds_are_merged() -> None:
    both = merged([{0.1: 10.0, 0.4: 10.0, math.inf: 10.0}, {0.2: 5.0, 0.4: 5.0, math.inf: 5.0}])
    # At 0.2 there are at least the 10 of 0.1, though only one pod counts there.
    assert quantile(0.8, both) == pytest.approx(0.2 + 0.2 * 2 / 5)
