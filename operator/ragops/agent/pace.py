"""When the agent looks at HAProxy."""

from dataclasses import dataclass
from typing import Final

LOOK_SECONDS: Final = 0.25
"""Between two looks at HAProxy's statistics while there are requests."""
IDLE_SECONDS: Final = 1.0
"""The same, while there are none."""
MOST_OF_THE_TIME: Final = 0.05
"""Part of the time of a core that looks may take: with thousands of servers there are fewer."""
SHORTEST_SECONDS: Final = 0.005
"""Between two alarms; doubled with each alarm that changes nothing."""


@dataclass
class Pace:
    """Times in seconds of one clock."""

    next_ask: float = 0.0
    """When the statistics are due."""
    _gap: float = SHORTEST_SECONDS

    def after(
        self, began: float, worked: float, *, asked: bool, rung: bool, changed: bool, busy: bool
    ) -> float:
        """Seconds in which not even an alarm leads to another look. `worked`: CPU time of this one."""
        least = worked / MOST_OF_THE_TIME
        if asked:
            self.next_ask = began + max(LOOK_SECONDS if busy else IDLE_SECONDS, least)
        if not rung:
            self._gap = SHORTEST_SECONDS
            return 0.0
        self._gap = SHORTEST_SECONDS if changed else min(2 * self._gap, LOOK_SECONDS)
        return max(self._gap, least)
