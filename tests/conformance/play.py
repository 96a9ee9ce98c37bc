"""Plays a case against a decision function: pods, samples and a clock, without a cluster."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, MetricType
from ragops.api.status import ScalingAction
from ragops.scaling.choice import remember
from ragops.scaling.decide import observe
from ragops.scaling.decision import Decision, Replicas, ScalingState
from ragops.scaling.window import Reading, Sample, Window, reading

from .cases import Case, Expectation, Range, Start, Step, Values, Weighted

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Second 0 of every case."""

Decide = Callable[[AutoscalingSpec, Replicas, Window, ScalingState, datetime], Decision]
"""The autoscaler under test: the resolved policy, the replicas, the samples since the process began, what is
remembered beyond it, and the time."""


@dataclass
class Pods:
    """The pods of the service: when each of them is ready, the earliest first, in seconds that have passed.
    They do not care what the clock is set to."""

    wanted: int
    ready_at: list[float]

    @classmethod
    def at_start(cls, start: Start) -> "Pods":
        """The pods at second 0."""
        pods = cls(start.replicas, [])
        pods.set_ready(start.replicas if start.ready is None else start.ready)
        return pods

    def ready(self, passed: float) -> int:
        """How many are ready."""
        return sum(at <= passed for at in self.ready_at)

    def set_ready(self, ready: int) -> None:
        """So many are ready, the rest never will be. More than are wanted: some are about to go."""
        self.ready_at = [-math.inf] * ready + [math.inf] * max(self.wanted - ready, 0)

    def scale(self, wanted: int, ready_at: float) -> None:
        """New pods are ready at a time; of too many, those go first that are ready last."""
        more = wanted - len(self.ready_at)
        self.ready_at = sorted([*self.ready_at, *[ready_at] * more])[:wanted]
        self.wanted = wanted


@dataclass
class Play:
    """A case under way."""

    case: Case
    decide: Decide
    policy: AutoscalingSpec = field(init=False)
    pods: Pods = field(init=False)
    state: ScalingState = field(init=False)
    window: Window = field(init=False)
    now: datetime = START
    passed: float = 0.0
    """Seconds since the start, whatever the clock was set to."""

    def __post_init__(self) -> None:
        remembered = self.case.start.state
        self.policy = self.case.resolved
        self.pods = Pods.at_start(self.case.start)
        self.window = Window(seen_until=START if remembered else None)
        self.state = ScalingState(
            stable_since=_moment(remembered.stable_since) if remembered else None,
            last_scale_time=_moment(remembered.last_scale_time) if remembered else None,
        )

    def fault(self) -> str | None:
        """Plays the steps until a decision is not as expected: its time, the fault and its message. None when
        all are."""
        for step in self.case.steps:
            if step.restart:
                self.window = Window(seen_until=self.now)
            if step.replicas is not None:
                self.pods.scale(step.replicas, self.passed)
            if step.ready is not None:
                self.pods.set_ready(step.ready)
            for turn in range(step.times):
                now = _time_of(step, self.now)
                self.passed += max((now - self.now).total_seconds(), 0)
                self.now = now
                before = self.pods.wanted
                decision = self._turn(step, turn)
                if step.expect is not None and (fault := differs(decision, step.expect)):
                    seconds = (self.now - START).total_seconds()
                    return f"at {seconds:g} s, {before} replicas: {fault}; {decision.message!r}"
        return None

    def _turn(self, step: Step, turn: int) -> Decision:
        """One sample, one decision, which is carried out and remembered."""
        ready = self.pods.ready(self.passed)
        sample = sample_of(step, turn, ready, self.now)
        if sample is not None:
            sample = replace(sample, start_seconds=self.case.start_up_seconds or None)
            self.window = observe(self.policy, self.window, sample)
        replicas = Replicas(self.pods.wanted, ready)
        decision = self.decide(self.policy, replicas, self.window, self.state, self.now)
        if self.case.frozen and decision.action is not ScalingAction.HOLD:
            return decision
        self.state = remember(decision, replicas, self.state, self.policy, self.now)
        if decision.desired != self.pods.wanted:
            self.pods.scale(decision.desired, self.passed + self.case.start_up_seconds)
        return decision


def sample_of(step: Step, turn: int, ready: int, at: datetime) -> Sample | None:
    """The sample of a step in its given turn, over so many ready pods; None for a step without one."""
    if step.load is not None:
        rates = step.load.requests_per_second
        each = rates[turn % len(rates)] / ready if ready else math.nan
        cpu = min(100 * each / step.load.per_replica, 100.0)
        return Sample(at, {MetricType.CPU: reading([cpu] * ready)}, reading([each] * ready))
    if step.metrics is None:
        return None
    readings = {metric: _reading(values, ready) for metric, values in step.metrics.items()}
    return Sample(at, readings, None if step.arrivals is None else _reading(step.arrivals, ready))


def differs(decision: Decision, expected: Expectation) -> str:
    """In what a decision is not as expected; empty where it is."""
    faults = []
    desired = expected.desired
    if isinstance(desired, Range):
        if not desired.min <= decision.desired <= desired.max:
            faults.append(f"desired is {decision.desired}, expected {desired.min} to {desired.max}")
    elif desired is not None and decision.desired != desired:
        faults.append(f"desired is {decision.desired}, expected {desired}")
    if expected.action is not None and decision.action is not expected.action:
        faults.append(f"action is {decision.action}, expected {expected.action}")
    if expected.reason is not None and decision.reason is not expected.reason:
        faults.append(f"reason is {decision.reason}, expected {expected.reason}")
    return ", ".join(faults)


def _reading(values: Values, ready: int) -> Reading:
    if isinstance(values, Weighted):
        _check_count(values.values, ready)
        return reading(values.values, values.requests)
    if isinstance(values, list):
        _check_count(values, ready)
        return reading(values)
    return reading([values] * ready)


def _check_count(values: list[float | None], ready: int) -> None:
    if len(values) != ready:
        raise ValueError(f"{len(values)} values for {ready} ready pods: give one value a ready pod")


def _time_of(step: Step, before: datetime) -> datetime:
    if step.every is not None:
        return before + timedelta(seconds=step.every)
    return START + timedelta(seconds=step.at or 0)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)
