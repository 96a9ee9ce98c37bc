"""Hysteresis in both directions, so that neither one lost probe nor one lucky one changes a state.

Checks count in a row, figures stand on one side of a threshold for some time, and a service that flaps must
be well for longer and longer before that is believed.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from ragops.health.finding import GOOD, Finding

ABOVE: Final = timedelta(seconds=30)
"""A figure that has been above its threshold for this long exceeds it."""
BELOW: Final = timedelta(seconds=60)
"""One that has been below BELOW_SHARE of it for this long does not any more."""
BELOW_SHARE: Final = 0.8
GAP: Final = timedelta(seconds=30)
"""Between two values that are further apart, nobody knows."""

FLAP_WINDOW: Final = timedelta(minutes=5)
"""Trouble that comes back within this time after a recovery is flapping."""
FIRST_HOLD: Final = timedelta(seconds=10)
"""How long a service that came back to trouble once must be well; doubled with each time more."""
LONGEST_HOLD: Final = timedelta(minutes=5)


class Verdict(StrEnum):
    """What a row of checks says."""

    UNKNOWN = "Unknown"
    GOOD = "Good"
    FAILING = "Failing"


@dataclass(frozen=True)
class Streak:
    """Checks in a row."""

    verdict: Verdict = Verdict.UNKNOWN
    successes: int = 0
    """Good checks since the last one that failed."""
    failures: int = 0
    """Failed checks since the last good one."""

    def after(self, good: bool, failure_threshold: int, success_threshold: int) -> "Streak":
        """One check more."""
        if good:
            count = self.successes + 1
            return Streak(Verdict.GOOD if count >= success_threshold else self.verdict, successes=count)
        count = self.failures + 1
        return Streak(Verdict.FAILING if count >= failure_threshold else self.verdict, failures=count)


@dataclass(frozen=True)
class Level:
    """A figure against its threshold."""

    exceeded: bool = False
    since: datetime | None = None
    """Since when the figure has spoken against `exceeded`, without a gap."""
    at: datetime | None = None
    """Time of the last value."""

    def after(self, value: float | None, limit: float, at: datetime) -> "Level":
        """One value more; None: there is none that can be judged by, and nothing changes."""
        if self.at is not None and at <= self.at:
            return self
        steady = self.since if self.at is not None and at - self.at <= GAP else None
        if value is None or not self._against(value, limit):
            return Level(self.exceeded, None, at)
        since = steady or at
        if at - since >= (BELOW if self.exceeded else ABOVE):
            return Level(not self.exceeded, None, at)
        return Level(self.exceeded, since, at)

    def _against(self, value: float, limit: float) -> bool:
        return value < BELOW_SHARE * limit if self.exceeded else value > limit


@dataclass(frozen=True)
class Damped:
    """What is believed of a service: worse at once, better at once too, unless it flaps."""

    finding: Finding = GOOD
    recovered_at: datetime | None = None
    """When it last got better."""
    better_since: datetime | None = None
    """Since when it has looked better than what is believed."""
    flaps: int = 0
    """How often it got worse soon after it had got better."""

    def after(self, seen: Finding, now: datetime) -> "Damped":
        """What is believed after one look more."""
        if seen.better_than(self.finding):
            since = self.better_since or now
            if now - since < self._hold:
                return replace(self, better_since=since)
            return Damped(seen, recovered_at=now, flaps=self.flaps)
        flaps = self.flaps
        if self.finding.better_than(seen):
            soon = self.recovered_at is not None and now - self.recovered_at < FLAP_WINDOW
            flaps = flaps + 1 if soon else 0
        return Damped(seen, self.recovered_at, flaps=flaps)

    @property
    def look_at(self) -> datetime | None:
        """When time alone will change what is believed."""
        return self.better_since + self._hold if self.better_since else None

    @property
    def _hold(self) -> timedelta:
        return min(FIRST_HOLD * 2 ** (self.flaps - 1), LONGEST_HOLD) if self.flaps else timedelta()
