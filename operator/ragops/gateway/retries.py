"""The retry budget of a service: repeated tries are a small part of the requests, or a fault grows."""

from dataclasses import dataclass
from typing import Final

HALF_LIFE_SECONDS: Final = 10.0
RESERVE: Final = 10.0
"""Retries that are always granted, of late: a share of few requests would be none."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Requests and retries of late, as fading sums."""

    requests: float = 0.0
    retries: float = 0.0
    at: float = 0.0

    def spend(self, requests: int, retries: int, now: float) -> "Budget":
        """The budget after these requests and retries."""
        fade: float = 0.5 ** ((now - self.at) / HALF_LIFE_SECONDS)
        return Budget(self.requests * fade + requests, self.retries * fade + retries, now)

    def allows(self, percent: int) -> bool:
        """Whether requests may be repeated: so far, retries are below this share of the requests."""
        return percent > 0 and self.retries < RESERVE + self.requests * percent / 100
