"""What all modes have in common: memory of changes, rate limits, and clocks that are set back."""

from datetime import timedelta

import pytest
from tests.unit.scaling.running import START, policy

from ragops.api.autoscaling import AutoscalingSpec
from ragops.api.status import ScalingAction, ScalingChange, ScalingPeak
from ragops.scaling.choice import MAX_CHANGES, Choice, max_gap, remember, sane
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState

LIMIT = {"replicas": 3, "percent": 50, "periodSeconds": 60}
BY = policy(mode="Proportional", maxReplicas=50, rateUp=LIMIT, rateDown=LIMIT)
PEAK = ScalingPeak(since=START, desired=3)


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def choice(wanted: int, by: AutoscalingSpec = BY, **state: object) -> Choice:
    return Choice(by, Replicas(wanted, wanted), ScalingState(**state), START)  # type: ignore[arg-type]


def change(seconds: float, replicas: int) -> ScalingChange:
    return ScalingChange(time=START + after(seconds), replicas=replicas)


@pytest.mark.parametrize(("seconds", "gap"), [(1, 15), (5, 15), (15, 45), (60, 180)])
def test_a_gap_is_three_samples_or_fifteen_seconds(seconds: int, gap: int) -> None:
    assert max_gap(policy(sampleSeconds=seconds, stabilitySeconds=60)) == after(gap)


def test_rate_limits_count_from_the_replicas_at_the_begin_of_the_period() -> None:
    changes = (change(-61, 4), change(-59, 6), change(-10, 8))
    found = choice(12, changes=changes)
    assert (found.ceiling(), found.floor()) == (9, 3)
    assert (choice(12).ceiling(), choice(12).floor()) == (18, 6)
    assert (choice(4).ceiling(), choice(4).floor()) == (7, 1)


def test_the_bounds_come_before_all_else() -> None:
    by = policy(minReplicas=2, maxReplicas=5)
    low, high = choice(1, by, last_scale_time=START).outside_bounds(), choice(9, by).outside_bounds()
    assert low is not None
    assert (low.desired, low.action, low.reason) == (2, ScalingAction.UP, ScalingReason.BELOW_MINIMUM)
    assert high is not None
    assert (high.desired, high.action, high.reason) == (5, ScalingAction.DOWN, ScalingReason.ABOVE_MAXIMUM)
    assert choice(2, by).outside_bounds() is choice(5, by).outside_bounds() is None


def test_each_direction_has_its_own_cooldown() -> None:
    by = policy(cooldownSeconds=60, scaleUpCooldownSeconds=10)
    just_now = choice(3, by, last_scale_time=START - after(9))
    assert just_now.up_cooldown() == START + after(1)
    assert just_now.down_cooldown() == START + after(51)
    assert choice(3, by, last_scale_time=START - after(10)).up_cooldown() is None
    assert choice(3, by, last_scale_time=START - after(60)).down_cooldown() is None
    assert choice(3, by).down_cooldown() is None


def acted(wanted: int, state: ScalingState) -> ScalingState:
    decision = choice(wanted).act(wanted + 1, ScalingReason.ABOVE_TARGET, "")
    return remember(decision, Replicas(wanted, wanted), state, BY, START)


def test_an_action_is_remembered_and_ends_the_calm() -> None:
    before = ScalingState(START - after(99), START - after(99), (PEAK,), (change(-60, 1), change(-59, 2)))
    state = acted(7, before)
    assert state == ScalingState(None, START, (), (change(-59, 2), change(0, 7)))


def test_a_hold_remembers_the_calm_and_changes_nothing_else() -> None:
    before = ScalingState(None, START - after(99), (), (change(-5, 2),))
    held = Decision(3, ScalingAction.HOLD, ScalingReason.STABILIZING, "", stable_since=START, peaks=(PEAK,))
    state = remember(held, Replicas(3, 3), before, BY, START)
    assert state == ScalingState(START, before.last_scale_time, (PEAK,), before.changes)


def test_no_more_changes_are_remembered_than_status_holds() -> None:
    state = ScalingState()
    for _ in range(2 * MAX_CHANGES):
        state = acted(7, state)
    assert len(state.changes) == MAX_CHANGES


def test_times_that_lie_ahead_begin_anew() -> None:
    ahead = START + after(61)
    state = ScalingState(ahead, ahead, (PEAK,), (change(-5, 2), change(61, 3)))
    assert sane(state, START) == ScalingState(None, START, (), (change(-5, 2),))
    near = ScalingState(START + after(60), START + after(60), (PEAK,), (change(60, 3),))
    assert sane(near, START) == near
