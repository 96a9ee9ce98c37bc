"""Durations and moments, as people read and write them."""

from datetime import timedelta

import pytest

from ragops.cli.times import clock, duration, moment, parse_duration, since

from .objects import NOW


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (59, "59s"),
        (60, "1m"),
        (200, "3m20s"),
        (599, "9m59s"),
        (620, "10m"),
        (3600, "1h"),
        (3700, "1h1m"),
        (11 * 3600 + 60, "11h"),
        (100 * 3600, "4d4h"),
        (30 * 86_400, "30d"),
    ],
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_moments_tell_how_far_away_they_are() -> None:
    assert moment(NOW + timedelta(seconds=70), NOW) == "12:01:10Z (in 1m10s)"
    assert moment(NOW - timedelta(seconds=50), NOW) == "11:59:10Z (50s ago)"
    assert clock(NOW - timedelta(days=1), NOW) == "2026-02-28T12:00:00Z"
    assert since(None, NOW) == "-"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2h1s", 7201), ("0", 0)]
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "m", "-5s", "5 m", "1.5h", "5m3h", "x"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)
