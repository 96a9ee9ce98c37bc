"""The autoscaler of Knative (KPA), for comparison, at its own defaults.

Source: Knative's documentation, "Autoscaling concepts" and the settings of the ConfigMap config-autoscaler.
"""

import math
from dataclasses import dataclass, field
from operator import mul
from typing import ClassVar, Final

from ragops.scaling.simulation.model import Order, View
from ragops.scaling.simulation.parameters import Parameters, ceil

TICK_SECONDS: Final = 2
STABLE_SECONDS: Final = 60
PANIC_SECONDS: Final = 6
PANIC_THRESHOLD: Final = 2.0
"""Panic begins when the panic window asks for this many times the ready replicas."""
UP_RATE: Final = 1000
DOWN_RATE: Final = 2
TARGET_UTILISATION: Final = 0.7


@dataclass
class KPA:
    """Concurrency at 70 % of what a replica works on at a time, over a stable and a panic window."""

    parameters: Parameters
    interval: ClassVar = TICK_SECONDS
    initial: ClassVar = None
    _concurrency: list[float] = field(default_factory=list)
    _panic_since: int | None = None
    _panic_replicas: int = 0

    def decide(self, view: View) -> Order | None:
        """The order by the larger of both windows while in panic, else by the stable one."""
        ready = max(len(view.ready), 1)
        if view.now == 0:
            if ready > 1:
                # It starts in panic: until there are figures it keeps what is there.
                self._panic_since, self._panic_replicas = 0, ready
            return None
        scraped = len(self._concurrency)
        self._concurrency += map(mul, view.ticks.arrived[scraped:], view.ticks.response[scraped:])
        stable, panic = self._wanted(STABLE_SECONDS), self._wanted(PANIC_SECONDS)
        self._update_panic(panic >= PANIC_THRESHOLD * ready, view.now)
        slowest, fastest = math.floor(ready / DOWN_RATE), ready * UP_RATE
        desired = min(max(stable, slowest), fastest)
        reason = "StableWindow"
        if self._panic_since is not None:
            # In panic replicas are only added.
            desired = max(desired, min(max(panic, slowest), fastest), self._panic_replicas)
            self._panic_replicas = desired
            reason = "PanicWindow"
        why = (
            f"concurrency of {STABLE_SECONDS} s asks for {stable} replicas, of {PANIC_SECONDS} s for {panic}"
        )
        return Order(self.parameters.bounded(desired), reason, why)

    def _wanted(self, seconds: int) -> int:
        """Replicas for the mean concurrency of the last seconds."""
        recent = self._concurrency[-seconds:]
        target = TARGET_UTILISATION * self.parameters.capacity * self.parameters.service_time
        return ceil(sum(recent) / len(recent) / target)

    def _update_panic(self, over: bool, now: int) -> None:
        """Panic lasts until the stable window has seen nothing but calm."""
        if over:
            self._panic_since = now
        elif self._panic_since is not None and now > self._panic_since + STABLE_SECONDS:
            self._panic_since, self._panic_replicas = None, 0
