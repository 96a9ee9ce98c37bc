"""Neither one lost probe nor one lucky one changes a state."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from ragops.api.status import HealthState
from ragops.health.finding import GOOD, Finding
from ragops.health.hysteresis import ABOVE, BELOW, GAP, Damped, Level, Streak, Verdict

START = datetime(2026, 1, 1, tzinfo=UTC)
DEGRADED = Finding(HealthState.DEGRADED, "PodsNotReady", "1 of 2 pods are ready")
UNHEALTHY = Finding(HealthState.UNHEALTHY, "PodsNotReady", "none of 2 pods is ready")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ("", Verdict.UNKNOWN),
        ("+", Verdict.UNKNOWN),
        ("++", Verdict.GOOD),
        ("--", Verdict.UNKNOWN),
        ("---", Verdict.FAILING),
        ("++-", Verdict.GOOD),
        ("++--+--", Verdict.GOOD),
        ("++---", Verdict.FAILING),
        ("---+", Verdict.FAILING),
        ("---+-+-+", Verdict.FAILING),
        ("---++", Verdict.GOOD),
    ],
)
def test_checks_count_in_a_row(checks: str, verdict: Verdict) -> None:
    streak = Streak()
    for check in checks:
        streak = streak.after(check == "+", failure_threshold=3, success_threshold=2)
    assert streak.verdict is verdict


def levels(values: list[float | None], level: Level | None = None, every: float = 10) -> list[bool]:
    """Whether a threshold of 100 counts as exceeded after each value."""
    level, seen = level or Level(), []
    for number, value in enumerate(values):
        level = level.after(value, 100, at(every * number))
        seen.append(level.exceeded)
    return seen


def test_a_figure_must_be_above_for_some_time() -> None:
    assert ABOVE.total_seconds() == 30
    assert levels([101] * 4) == [False, False, False, True]
    assert not any(levels([200, 200, 200, 100, 200, 200, 200, 99]))


def test_it_must_be_well_below_for_longer_to_be_good_again() -> None:
    assert BELOW.total_seconds() == 60
    exceeded = Level(exceeded=True)
    assert levels([79] * 7, exceeded) == [True] * 6 + [False]
    assert all(levels([80] * 50, exceeded))
    assert all(levels([0, 0, 0, 0, 0, 81, 0, 0, 0, 0, 0, 0], exceeded))


@pytest.mark.parametrize("exceeded", [False, True])
def test_missing_values_change_nothing(exceeded: bool) -> None:
    """Neither by themselves, nor as a part of the time that it takes."""
    contrary = 0.0 if exceeded else 200.0
    level = Level(exceeded)
    assert levels([None] * 20, level) == [exceeded] * 20
    assert levels([contrary, contrary, None] * 10, level) == [exceeded] * 30
    assert GAP.total_seconds() < 40
    assert levels([contrary] * 10, level, every=40) == [exceeded] * 10


def test_a_value_counts_once() -> None:
    level = Level().after(200, 100, at(0))
    assert level.after(200, 100, at(0)) == level


def believed(looks: list[tuple[float, Finding]], damped: Damped | None = None) -> list[HealthState]:
    damped, states = damped or Damped(), []
    for seconds, seen in looks:
        damped = damped.after(seen, at(seconds))
        states.append(damped.finding.state)
    return states


def test_trouble_and_its_end_are_believed_at_once() -> None:
    looks = [(0, GOOD), (1, UNHEALTHY), (2, GOOD), (3, GOOD)]
    assert believed(looks) == [HealthState.HEALTHY, HealthState.UNHEALTHY, *[HealthState.HEALTHY] * 2]


def test_a_service_that_flaps_changes_its_state_less_and_less_often() -> None:
    damped, changes = Damped(), 0
    for second in range(3600):
        before = damped.finding.state
        damped = damped.after(UNHEALTHY if second // 15 % 2 else GOOD, at(second))
        changes += damped.finding.state is not before
    assert changes <= 6
    assert damped.finding.state is HealthState.UNHEALTHY
    # What has been well for long enough is believed in the end, at a moment that is known before.
    first = damped.after(GOOD, at(3600))
    assert first.look_at is not None
    assert first.after(GOOD, first.look_at - timedelta(seconds=1)).finding.bad
    assert first.after(GOOD, first.look_at).finding == GOOD
    # And forgotten.
    later = first.look_at + timedelta(hours=1)
    again = first.after(GOOD, first.look_at).after(UNHEALTHY, later)
    assert again.after(GOOD, later + timedelta(seconds=1)).finding == GOOD


def test_flapping_between_two_bad_states_is_damped_too() -> None:
    states = believed([(s, DEGRADED if s % 2 else UNHEALTHY) for s in range(100)])
    assert sum(a is not b for a, b in pairwise(states)) <= 3


def test_another_cause_of_the_same_state_is_taken_over() -> None:
    other = Finding(HealthState.DEGRADED, "TooSlow", "slow")
    assert Damped(DEGRADED).after(other, at(0)).finding == other
