"""Waiting for conditions."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05


def eventually(check: Callable[[], T], what: str, timeout: float = 30.0) -> T:
    """The first result of `check` that is true. Fails the test, naming `what`, when none comes in time."""
    deadline = time.monotonic() + timeout
    while not (result := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:.0f} s: {what}; last seen: {result!r}")
        time.sleep(POLL_SECONDS)
    return result


def throughout(check: Callable[[], bool], what: str, seconds: float) -> None:
    """`check` stays true for a time of observation. Fails the test, naming `what`, when it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert check(), what
        time.sleep(POLL_SECONDS)
