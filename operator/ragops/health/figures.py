"""The figures of one service over the last minute: response time and failed requests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

WINDOW: Final = timedelta(seconds=60)
MIN_REQUESTS: Final = 5
"""Of fewer, one slow or failed request would decide: they can only speak for a service."""


@dataclass(frozen=True)
class Requests:
    """The requests to all measured pods between two scrapes."""

    at: datetime
    counted: float
    """Requests that were counted."""
    failed: float
    """Those of them that failed."""
    timed: float
    """Requests whose response time is known."""
    milliseconds: float
    """Sum of their response times."""


@dataclass(frozen=True)
class Figures:
    """The requests within WINDOW."""

    at: datetime
    requests: float
    errors: float
    response_time_ms: float | None
    """Mean; None without requests."""
    error_percent: float | None
    """Share of the failed ones; None without requests."""

    def judged(self, value: float | None, limit: float) -> float | None:
        """The value to compare with a threshold: none where a few requests speak against the service, zero
        where there were none, since nobody was failed."""
        if value is None:
            return 0.0
        return None if value > limit and self.requests < MIN_REQUESTS else value


def with_sample(samples: Sequence[Requests], sample: Requests) -> tuple[Requests, ...]:
    """The samples within WINDOW, with one more."""
    return (*(old for old in samples if sample.at - WINDOW < old.at < sample.at), sample)


def figures(samples: Sequence[Requests]) -> Figures | None:
    """The figures at the last sample; None without any."""
    if not samples:
        return None
    counted, failed = math.fsum(s.counted for s in samples), math.fsum(s.failed for s in samples)
    timed, spent = math.fsum(s.timed for s in samples), math.fsum(s.milliseconds for s in samples)
    return Figures(
        at=samples[-1].at,
        requests=max(counted, timed),
        errors=failed,
        response_time_ms=spent / timed if timed else None,
        error_percent=100 * failed / counted if counted else None,
    )
