"""What goes from a sample into what mode Predictive has learned."""

from datetime import timedelta

import pytest
from tests.unit.scaling.running import START

from ragops.scaling.learning import MAX_STARTS, Learned, learn, load_of, start_seconds
from ragops.scaling.sample import Sample, reading


def sample(seconds: float, load: float | None = 20.0, start: float | None = None) -> Sample:
    arrivals = None if load is None else reading([load / 4] * 4)
    return Sample(START + timedelta(seconds=seconds), {}, arrivals, start_seconds=start)


def learned(*samples: Sample) -> Learned:
    known = None
    for one in samples:
        known = learn(known, one, 15)
    assert known is not None
    return known


def issued(known: Learned) -> int:
    assert known.forecast is not None
    return len(known.forecast.issued)


def test_pods_without_a_value_count_as_the_others() -> None:
    assert load_of(reading([5.0, 7.0, None])) == 18.0
    assert load_of(reading([None, None])) is None
    assert load_of(None) is None


@pytest.mark.parametrize(
    ("counted", "load"),
    [
        ([5.0, 5.0, 5.0, 90.0], 105.0),
        ([5.0, 5.0, 5.0, 1e6], None),
        ([5.0, 1e6], 1e6 + 5),
        ([50.0, 0.25, 0.0], 50.25),
        ([30.0, 0.0, 0.0], 30.0),
    ],
)
def test_a_pod_that_counts_absurdly_many_is_not_believed(counted: list[float], load: float | None) -> None:
    """One of three or more; not where all requests may well go to one, or the others are new."""
    assert load_of(reading(counted)) == (load and pytest.approx(load))


def test_samples_without_arrivals_change_nothing_but_the_start() -> None:
    before = learned(sample(0), sample(15))
    assert learn(before, sample(30, load=None), 15) is not before
    after = learn(before, sample(30, load=None, start=77.0), 15)
    assert (after.at, after.forecast, after.capacity) == (before.at, before.forecast, before.capacity)
    assert after.start_seconds == 77.0


def test_a_gap_and_a_clock_that_was_set_back_interrupt_the_forecast() -> None:
    whole = [sample(15.0 * i) for i in range(3)]
    assert issued(learned(*whole)) == 3
    assert issued(learned(*whole, sample(30 + 37))) == 3
    assert issued(learned(*whole, sample(30 + 38))) == 1
    back = learned(*whole, sample(-86_400))
    assert issued(back) == 1
    assert back.at == (START - timedelta(days=1)).timestamp()


@pytest.mark.parametrize("seconds", [30.0, 29.0, 0.0])
def test_a_sample_that_was_seen_is_not_learned_twice(seconds: float) -> None:
    before = learned(*[sample(15.0 * i) for i in range(3)])
    assert learn(before, sample(seconds), 15).forecast is before.forecast


def test_nine_of_ten_starts_were_no_longer() -> None:
    assert start_seconds([]) is None
    assert start_seconds([12.0]) == 12.0
    assert start_seconds([float(i) for i in range(1, 11)]) == 9.0
    assert start_seconds([600.0] * 10 + [20.0] * MAX_STARTS) == 20.0
