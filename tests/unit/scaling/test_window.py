"""The window: which samples it keeps, and until when it knows that there was no gap."""

from datetime import datetime, timedelta

import pytest
from tests.unit.scaling.running import START, policy

from ragops.api.autoscaling import MetricType
from ragops.scaling.decide import observe
from ragops.scaling.window import Sample, Window, reading


def seen(mode: str, *samples: tuple[float, list[float | None]], window: Window | None = None) -> Window:
    """After samples of CPU at these seconds. One each five seconds, so it keeps fifteen."""
    by, window = policy(mode=mode), window or Window()
    for seconds, cpu in samples:
        window = observe(by, window, Sample(at(seconds), {MetricType.CPU: reading(cpu)}))
    return window


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize("mode", ["Step", "Proportional", "Predictive"])
def test_what_is_older_is_only_remembered_as_seen(mode: str) -> None:
    window = seen(mode, *[(5.0 * i, [50.0]) for i in range(8)])
    assert [sample.at for sample in window.samples] == [at(25), at(30), at(35)]
    assert window.seen_until == at(20)


@pytest.mark.parametrize(
    ("mode", "cpu", "seen_until"),
    [
        ("Step", [10.0, None], at(0)),
        ("Step", [50.0, None], at(5)),  # loud, which ends the calm: it was watched
        ("Proportional", [50.0, None], at(0)),
        ("Predictive", [50.0, None], at(0)),
    ],
)
def test_an_incomplete_sample_is_no_witness(mode: str, cpu: list[float | None], seen_until: datetime) -> None:
    window = seen(mode, (0, [10.0, 10.0]), (5, cpu), (20, [10.0, 10.0]))
    assert window.seen_until == seen_until


def test_a_sample_that_is_not_newer_is_dropped() -> None:
    window = seen("Step", (0, [50.0]), (5, [50.0]))
    assert seen("Step", (5, [90.0]), window=window) is window
    assert seen("Step", (-10, [90.0]), window=window) is window


def test_after_a_clock_was_set_back_the_window_begins_anew() -> None:
    window = seen("Step", (0, [50.0]), (5, [50.0]), (-11, [90.0]))
    assert [sample.at for sample in window.samples] == [at(-11)]
    assert window.seen_until is None
