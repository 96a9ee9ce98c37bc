"""Progress lines on stderr, each with the seconds since the command started."""

import sys
import time

_started = time.monotonic()


def elapsed() -> float:
    """Seconds since the command started."""
    return time.monotonic() - _started


def step(message: str) -> None:
    """Print one progress line."""
    print(f"{elapsed():6.1f}s  {message}", file=sys.stderr, flush=True)
