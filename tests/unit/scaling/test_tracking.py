"""From demands to decisions: the largest demand of the window, rate limits and panic."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scaling.running import START, examples, policy

from ragops.api.autoscaling import AutoscalingSpec
from ragops.api.status import ScalingChange, ScalingPeak, ScalingStatus
from ragops.scaling.choice import Choice
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState
from ragops.scaling.tracking import Asked, Calm, Demand, calm, follow

LIMIT = {"replicas": 2, "percent": 50, "periodSeconds": 60}
BY = policy(mode="Proportional", maxReplicas=50, rateUp=LIMIT, rateDown=LIMIT)


@dataclass
class Watch:
    """Feeds demands to `calm` one at a time, as decisions do, which remember what came out."""

    by: AutoscalingSpec = BY
    wanted: int = 50
    at: datetime = START
    seen: datetime | None = None
    calm: Calm = field(default_factory=Calm)

    def ask(self, replicas: int, seconds: float = 5, complete: bool = True) -> Calm:
        self.at += timedelta(seconds=seconds)
        state = ScalingState(self.calm.since, peaks=self.calm.peaks)
        asked = [Asked(self.at, replicas, complete)]
        self.calm = calm(asked, self.wanted, self.by, self.seen, state, self.at)
        self.seen = self.at if complete or replicas >= self.wanted else self.seen
        return self.calm


@given(
    demands=st.lists(st.integers(1, 40), min_size=1, max_size=80),
    stability=st.sampled_from([0, 5, 17, 19, 60, 300]),
    every=st.sampled_from([1, 5]),
)
@examples(150)
def test_the_peaks_have_the_largest_demand_of_the_window(
    demands: list[int], stability: int, every: int
) -> None:
    """By brute force: no less than the window's, no more than that of the window and two parts of it."""
    by = BY.model_copy(update={"stability_seconds": stability, "sample_seconds": every})
    watch, asked = Watch(by), list[tuple[datetime, int]]()
    part = timedelta(seconds=max(every, -(-stability // 10)))
    for demand in demands:
        found = watch.ask(demand, every)
        asked.append((watch.at, demand))
        window = watch.at - timedelta(seconds=stability)
        largest = max(peak.desired for peak in found.peaks)
        assert largest >= max(d for at, d in asked if at > window or at == watch.at)
        assert largest <= max(d for at, d in asked if at > window - 2 * part)
        assert list(found.peaks) == sorted(found.peaks, key=lambda peak: (peak.since, -peak.desired))


@pytest.mark.parametrize("stability", range(120))
def test_the_peaks_fit_into_status(stability: int) -> None:
    """Demands that fall with every sample leave a peak in every part."""
    watch = Watch(BY.model_copy(update={"stability_seconds": stability, "sample_seconds": 1}), wanted=500)
    for demand in range(400, 100, -1):
        peaks = watch.ask(demand, 1).peaks
    assert ScalingStatus(desired=1, reason="", peaks=list(peaks)).peaks


def test_a_demand_for_what_there_is_ends_the_calm() -> None:
    watch = Watch(wanted=6)
    begun = watch.ask(5).since
    assert watch.ask(4).since == begun
    assert watch.ask(6) == Calm()
    assert watch.ask(5).since == watch.at


def test_an_incomplete_sample_neither_confirms_nor_breaks_the_calm() -> None:
    watch = Watch(wanted=6)
    begun = watch.ask(5).since
    assert watch.ask(1, complete=False) == Calm(begun, watch.calm.peaks)
    assert [peak.desired for peak in watch.calm.peaks] == [5]
    watch.ask(1, 6, complete=False)
    assert watch.ask(1, 6, complete=False) == Calm()  # 17 s without a complete one


def test_what_was_asked_before_the_last_action_is_no_part_of_the_next_window() -> None:
    asked = [Asked(START + timedelta(seconds=seconds), 3, complete=True) for seconds in (-5, 0, 5)]
    acted = ScalingState(last_scale_time=START)
    assert calm(asked[:1], 9, BY, START - timedelta(seconds=10), acted, START) == Calm()
    assert calm(asked, 9, BY, START - timedelta(seconds=10), acted, asked[-1].at).since == START


@pytest.mark.parametrize("seconds", [-11, 21], ids=["long-ago", "ahead"])
def test_a_gap_to_what_was_seen_last_ends_the_calm(seconds: int) -> None:
    """A time that lies ahead is of a clock that was set back since, nobody knows how long ago."""
    long_ago = Calm(START - timedelta(seconds=300), (ScalingPeak(since=START, desired=2),))
    watch = Watch(calm=long_ago, seen=START + timedelta(seconds=seconds))
    assert watch.ask(3).since == watch.at
    assert Watch(calm=long_ago, seen=START).ask(3).since == long_ago.since


def test_a_remembered_demand_for_what_there_is_now_was_no_calm() -> None:
    """A person has taken pods away."""
    watch = Watch(wanted=9, calm=Calm(START, (ScalingPeak(since=START, desired=6),)), seen=START)
    assert watch.ask(3).since == START
    watch.wanted = 6
    assert watch.ask(3).since == watch.at


def decided(demand: int, wanted: int, ready: int | None = None, **state: object) -> Decision:
    choice = Choice(
        BY,
        Replicas(wanted, wanted if ready is None else ready),
        ScalingState(**{"last_scale_time": None, **state}),  # type: ignore[arg-type]
        START,
        stable_since=START - timedelta(seconds=60),
        peaks=(ScalingPeak(since=START, desired=min(demand + 1, wanted - 1)),),
    )
    return follow(choice, Demand(demand, ""), complete=True)


def test_up_is_limited_by_the_larger_of_number_and_per_cent() -> None:
    assert decided(9, wanted=8).desired == 9
    assert decided(15, wanted=8).desired == 12  # 50 % of 8
    assert decided(15, wanted=2, ready=8).desired == 4  # 2 replicas


def test_nothing_changes_where_the_limit_was_used_up() -> None:
    """In the direction of the demand, whatever was done in the other one."""
    added = (ScalingChange(time=START - timedelta(seconds=5), replicas=4),)
    assert decided(15, wanted=8, changes=added).reason is ScalingReason.RATE_LIMITED
    removed = (ScalingChange(time=START - timedelta(seconds=5), replicas=16),)
    assert decided(3, wanted=8, changes=removed).reason is ScalingReason.RATE_LIMITED


def test_panic_knows_no_limit_but_the_maximum() -> None:
    panicked = decided(16, wanted=8, last_scale_time=START)
    assert (panicked.desired, panicked.reason) == (16, ScalingReason.PANIC)
    assert decided(500, wanted=8).desired == 50


def test_down_goes_to_the_largest_demand_of_the_window() -> None:
    decision = decided(3, wanted=8)
    assert (decision.desired, decision.reason) == (4, ScalingReason.BELOW_TARGET)
    held = decided(3, wanted=8, last_scale_time=START - timedelta(seconds=30))
    assert (held.desired, held.reason) == (8, ScalingReason.COOLING_DOWN)
