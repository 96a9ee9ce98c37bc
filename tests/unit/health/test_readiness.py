"""Pods that are lost count against a service, those that are still starting do not."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ragops.api.status import HealthState
from ragops.health.readiness import Capacity, PodCounts, judge

START = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = timedelta(seconds=300)


@dataclass
class Story:
    """A service, looked at from time to time."""

    capacity: Capacity = field(default_factory=Capacity)
    now: datetime = START

    def look(
        self, ready: int, wanted: int, after: float = 1, trouble: str | None = None, hopeless: bool = False
    ) -> tuple[HealthState, str | None]:
        """State and details."""
        self.now += timedelta(seconds=after)
        pods = PodCounts(wanted, ready, trouble, hopeless)
        self.capacity = self.capacity.after(pods, self.now)
        finding = judge(pods, self.capacity, LIMIT, self.now)
        return finding.state, finding.details


GOOD = (HealthState.HEALTHY, None)


def test_a_lost_pod_counts_and_its_replacement_ends_that() -> None:
    story = Story()
    assert story.look(3, 3) == GOOD
    assert story.look(2, 3) == (HealthState.DEGRADED, "2 of 3 pods are ready")
    assert story.look(3, 3) == GOOD


def test_without_any_ready_pod_it_does_not_serve() -> None:
    story = Story()
    assert story.look(2, 2) == GOOD
    assert story.look(0, 2) == (HealthState.UNHEALTHY, "none of 2 pods is ready")
    told = story.look(0, 2, trouble="CrashLoop: see the log")
    assert told == (HealthState.UNHEALTHY, "none of 2 pods is ready (CrashLoop: see the log)")


def test_new_pods_have_their_time_to_start() -> None:
    story = Story()
    assert story.look(2, 2) == GOOD
    assert story.look(2, 5) == GOOD
    assert story.look(2, 5, after=299) == GOOD
    # One became ready: the others have their time anew.
    assert story.look(3, 5) == GOOD
    assert story.look(3, 5, after=299) == GOOD
    assert story.look(3, 5) == (HealthState.DEGRADED, "3 of 5 pods are ready")


def test_a_pod_lost_during_a_scale_up_counts() -> None:
    story = Story()
    assert story.look(3, 3) == GOOD
    assert story.look(3, 5) == GOOD
    assert story.look(2, 5) == (HealthState.DEGRADED, "2 of 5 pods are ready")
    assert story.look(3, 5) == GOOD


def test_what_is_not_wanted_any_more_is_not_missed() -> None:
    story = Story()
    assert story.look(5, 5) == GOOD
    assert story.look(2, 2) == GOOD
    assert story.look(2, 4) == GOOD


def test_new_pods_that_cannot_start_count_at_once() -> None:
    story = Story()
    assert story.look(2, 2) == GOOD
    waiting = "Unschedulable: no node has room"
    assert story.look(2, 3, trouble=waiting) == GOOD
    told = story.look(2, 3, trouble="CrashLoop: see the log", hopeless=True)
    assert told == (HealthState.DEGRADED, "2 of 3 pods are ready (CrashLoop: see the log)")


def test_zero_pods_are_fine_when_told_so() -> None:
    story = Story()
    assert story.look(2, 2) == GOOD
    assert story.look(0, 0) == GOOD
