"""Times as status keeps them: in whole seconds."""

from datetime import datetime, timedelta


def next_second(time: datetime) -> datetime:
    """Rounded up: what must last for a time must not end early because status keeps whole seconds."""
    return (time + timedelta(microseconds=999_999)).replace(microsecond=0)
