"""The HorizontalPodAutoscaler of Kubernetes and KEDA on top of it, for comparison, at their own defaults.

Source: the documentation of autoscaling/v2, "Algorithm details" and "Configurable scaling behavior".
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from ragops.scaling.simulation.model import Observation, Order, Pod, View
from ragops.scaling.simulation.parameters import Parameters, ceil

SYNC_SECONDS: Final = 15
TOLERANCE: Final = 0.1
STABILISATION_SECONDS: Final = 300
UP_PODS: Final = 4
UP_FACTOR: Final = 2
"""Up by the larger of 4 pods and 100 % in 15 s, which is no longer than the time between two decisions."""
CPU_TARGET: Final = 0.7
CPU_DELAY_SECONDS: Final = 15
"""Age of what the resource metrics API tells."""
CPU_INITIALISATION_SECONDS: Final = 300
QUEUE_TARGET: Final = 5
"""Waiting requests per replica."""
KEDA_POLL_SECONDS: Final = 30


def _tolerated(ratio: float) -> bool:
    """The metric is so close to its target that nothing changes."""
    return abs(ratio - 1) <= TOLERANCE


@dataclass
class _Behaviour:
    """From what the metric asks for to what is ordered: stabilisation, rate limits, bounds."""

    parameters: Parameters
    recommendations: deque[tuple[int, int]] = field(default_factory=deque)
    """Time and replicas, oldest first."""

    def order(self, now: int, current: int, recommended: int, why: str) -> Order:
        """Down no further than the largest recommendation of the last five minutes; up at once."""
        if not self.recommendations:
            self.recommendations.append((0, current))  # the size that was there counts as recommended
        self.recommendations.append((now, recommended))
        while self.recommendations[0][0] <= now - STABILISATION_SECONDS:
            self.recommendations.popleft()
        highest = max(replicas for _, replicas in self.recommendations)
        stabilised = min(max(current, recommended), highest)
        limited = min(stabilised, max(current + UP_PODS, current * UP_FACTOR))
        reason = "AboveTarget" if limited > current else "BelowTarget"
        return Order(self.parameters.bounded(limited), reason, why)


@dataclass
class HPA:
    """CPU at 70 % of requests."""

    parameters: Parameters
    interval: ClassVar = SYNC_SECONDS
    initial: ClassVar = None

    def __post_init__(self) -> None:
        self._behaviour = _Behaviour(self.parameters)

    def decide(self, view: View) -> Order | None:
        """The order on the CPU of the pods that were ready during the whole sample."""
        sample = view.delayed(CPU_DELAY_SECONDS)
        measured = _measured(view.ready, sample, view.now) if sample else 0
        if sample is None or not measured:
            return None
        ratio = sample.utilisation / CPU_TARGET
        recommended = _recommend(ratio, measured, view.replicas)
        why = f"CPU {100 * sample.utilisation:.0f} % of {100 * CPU_TARGET:.0f}, {measured} pods measured"
        return self._behaviour.order(view.now, view.replicas, recommended, why)


def _measured(ready: Sequence[Pod], sample: Observation, now: int) -> int:
    """Pods that count: in its first 300 s a pod that was not ready throughout the sample does not."""
    return sum(
        pod.ready_at <= sample.begin or now >= pod.ordered_at + CPU_INITIALISATION_SECONDS for pod in ready
    )


def _recommend(ratio: float, measured: int, current: int) -> int:
    """Replicas by the ratio of metric to target over the measured pods. The others count as idle on the way
    up, and not at all on the way down."""
    if ratio <= 1 or measured == current:
        return current if _tolerated(ratio) else ceil(ratio * measured)
    diluted = ratio * measured / current
    if _tolerated(diluted) or diluted < 1:
        return current
    return max(ceil(diluted * current), current)


@dataclass
class KEDA:
    """Queue length at 5 per replica, as an external metric of the HPA."""

    parameters: Parameters
    interval: ClassVar = SYNC_SECONDS
    initial: ClassVar = None
    _polled: Observation | None = None

    def __post_init__(self) -> None:
        self._behaviour = _Behaviour(self.parameters)

    def decide(self, view: View) -> Order | None:
        """The order on the queue as it was last polled; readiness plays no part."""
        if view.now % KEDA_POLL_SECONDS == 0:
            self._polled = view.delayed(0)
        sample = self._polled
        if sample is None:
            return None
        ratio = sample.queue / (QUEUE_TARGET * view.replicas) if view.replicas else 0.0
        recommended = view.replicas if _tolerated(ratio) else ceil(sample.queue / QUEUE_TARGET)
        why = f"queue of {sample.queue:.1f}, target {QUEUE_TARGET} per replica"
        return self._behaviour.order(view.now, view.replicas, recommended, why)
