"""Times and durations as people write and read them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))
_COARSE_SECONDS: Final = 600
"""From here on the smaller of two units says nothing: 10m, not 10m3s."""
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def duration(time: timedelta) -> str:
    """Short, as kubectl has it: 45s, 3m20s, 12m, 5h, 2d4h. Negative ones are 0s."""
    seconds = max(0, int(time.total_seconds()))
    for position, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            smaller, smaller_size = _UNITS[position + 1] if position + 1 < len(_UNITS) else ("", 1)
            fine = rest // smaller_size
            two = smaller and fine and (seconds < _COARSE_SECONDS or unit in "hd") and count < 10
            return f"{count}{unit}{fine}{smaller}" if two else f"{count}{unit}"
    return "0s"


def since(time: datetime | None, now: datetime) -> str:
    """How long ago; `-` for never."""
    return "-" if time is None else duration(now - time)


def clock(time: datetime, now: datetime) -> str:
    """A moment in UTC, as in status: the time of day, with the date where that is not the day of `now`."""
    time, now = time.astimezone(UTC), now.astimezone(UTC)
    return time.strftime("%H:%M:%SZ" if time.date() == now.date() else "%Y-%m-%dT%H:%M:%SZ")


def moment(time: datetime, now: datetime) -> str:
    """A moment and how far away it is: 12:05:10Z (in 3m20s), 12:01:00Z (50s ago)."""
    away = f"in {duration(time - now)}" if time > now else f"{duration(now - time)} ago"
    return f"{clock(time, now)} ({away})"


def parse_duration(text: str) -> timedelta:
    """300, 300s, 5m, 1h30m. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is not a duration such as 90s, 5m or 1h30m")
    hours, minutes, seconds = (int(group or 0) for group in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
