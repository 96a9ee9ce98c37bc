"""A service that is scaled, over time: its samples go in, its decisions are carried out and remembered."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from hypothesis import HealthCheck, settings
from tests.unit.operator.world import rag_of, six

from ragops.api.autoscaling import AutoscalingSpec, MetricType, ScalingMode
from ragops.api.defaults import resolve
from ragops.api.status import ScalingStatus
from ragops.scaling.choice import remember
from ragops.scaling.decide import decide, observe
from ragops.scaling.decision import Decision, Replicas, ScalingState
from ragops.scaling.window import Sample, Window, reading

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
OURS: Final = (ScalingMode.STEP, ScalingMode.PROPORTIONAL, ScalingMode.PREDICTIVE)
"""The modes in which ragops decides."""
PER_POD: Final = 10.0
"""Requests a second at 100 % CPU, in what Predictive has learned beforehand."""

Values = Sequence[float | None]


def policy(**fields: object) -> AutoscalingSpec:
    """A resolved policy: CPU only, windows of 60 s, a sample every 5 s."""
    block = {
        "stabilitySeconds": 60,
        "cooldownSeconds": 60,
        "sampleSeconds": 5,
        "maxReplicas": 5,
        "metrics": [{"type": "CPU"}],
        **fields,
    }
    rag = resolve(rag_of(six(retrieval={"autoscaling": block})))
    resolved = next(s.autoscaling for s in rag.spec.services if s.name == "retrieval")
    assert resolved is not None
    return resolved


def examples(number: int) -> settings:
    """The same examples in every run, as many as a busy machine can afford."""
    return settings(
        max_examples=number, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


def stored(state: ScalingState) -> ScalingState:
    """What is left of it in the JSON form of status, in whole seconds as the report writes them."""
    status = ScalingStatus(
        desired=0,
        reason="",
        stable_since=state.stable_since,
        last_scale_time=state.last_scale_time,
        peaks=list(state.peaks),
        changes=list(state.changes),
    )
    known = ScalingStatus.model_validate(status.to_wire())
    return ScalingState(known.stable_since, known.last_scale_time, tuple(known.peaks), tuple(known.changes))


@dataclass
class Run:
    """Feeds samples to `decide` and carries its decisions out."""

    policy: AutoscalingSpec
    replicas: int = 1
    ready: int | None = None
    """Ready pods; None: all."""
    now: datetime = START
    window: Window = field(default_factory=Window)
    state: ScalingState = field(default_factory=ScalingState)

    @property
    def pods(self) -> int:
        """Ready pods now."""
        return self.replicas if self.ready is None else self.ready

    def sample(self, *cpu: float | None, seconds: float = 5) -> Decision:
        """One sample with a CPU value for each ready pod, after `seconds`, and the decision on it."""
        return self.measure({MetricType.CPU: cpu}, seconds=seconds)

    def measure(
        self, metrics: Mapping[MetricType, Values], arrivals: Values | None = None, seconds: float = 5
    ) -> Decision:
        """One sample of any metrics, of each ready pod, after `seconds`, and the decision on it."""
        self.now += timedelta(seconds=seconds)
        readings = {metric: reading(values) for metric, values in metrics.items()}
        sample = Sample(self.now, readings, None if arrivals is None else reading(arrivals))
        self.window = observe(self.policy, self.window, sample)
        return self.decide()

    def serve(self, load: float, seconds: float = 5, **metrics: float) -> Decision:
        """A sample of a load in requests a second, spread over the ready pods, and the decision on it."""
        pods = self.pods
        each = load / pods if pods else 0.0
        values = {MetricType.CPU: [min(100.0, 100 * each / PER_POD)] * pods}
        more = {MetricType(name): [value] * pods for name, value in metrics.items()}
        return self.measure({**values, **more}, [each] * pods, seconds)

    def wait(self, seconds: float) -> Decision:
        """A decision after a time without any sample."""
        self.now += timedelta(seconds=seconds)
        return self.decide()

    def decide(self) -> Decision:
        """The decision of now, carried out."""
        replicas = Replicas(self.replicas, self.pods)
        decision = decide(self.policy, replicas, self.window, self.state, self.now)
        whole = (
            self.now if not self.now.microsecond else self.now.replace(microsecond=0) + timedelta(seconds=1)
        )
        self.state = stored(remember(decision, replicas, self.state, self.policy, whole))
        self.replicas = decision.desired
        return decision

    def restart(self) -> None:
        """A new process takes over: no samples, but it knows until when the one before was alive."""
        last = self.window.samples[-1].at if self.window.samples else None
        self.window = Window(seen_until=last)


@cache
def _experience(sample_seconds: int, load: float) -> Window:
    """What has been learned from an hour or so of a steady load, until START."""
    by = policy(mode="Predictive", sampleSeconds=sample_seconds, maxReplicas=20)
    window, count = Window(), 120
    for i in range(count):
        at = START - timedelta(seconds=sample_seconds * (count - 1 - i))
        now = load * (1 + 0.05 * math.sin(i))
        cpu, each = reading([10 * now / 8] * 8), reading([now / 8] * 8)
        window = observe(by, window, Sample(at, {MetricType.CPU: cpu}, each))
    return window


def experienced(run: Run, load: float = 40.0) -> Run:
    """The same, in mode Predictive after a while of this load."""
    if run.policy.mode is ScalingMode.PREDICTIVE:
        run.window = _experience(run.policy.sample_seconds, load)
    return run


def every_mode(**fields: Any) -> list[AutoscalingSpec]:
    """The same policy in each of our modes."""
    return [policy(mode=mode, **fields) for mode in OURS]
