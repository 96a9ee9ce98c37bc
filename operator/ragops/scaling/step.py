"""The Step policy: one step up on any breach, one step down when all has been quiet for long enough.

Up when ANY metric is above its upper threshold. Down only when ALL have been below their lower thresholds for
the whole stability window, without a gap in the samples, and the cooldown has passed. Missing metrics never
scale down; with partial metrics a missing pod counts as idle on the way up, and blocks the way down.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, MetricSpec
from ragops.api.status import ScalingAction, ScalingInput
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState
from ragops.scaling.window import Reading, Sample, Window

GAP_SAMPLES: Final = 3
MIN_GAP_SECONDS: Final = 15
"""A stability window survives a gap of three samples or 15 seconds, whichever is longer. A hiccup of the
metrics API is no longer than that, and load that comes and goes within it is below what the API can show."""


@dataclass(frozen=True)
class _Judgement:
    """One metric against its thresholds."""

    metric: MetricSpec
    reading: Reading | None

    @property
    def breached(self) -> bool:
        """Above the upper threshold even if every missing pod were idle."""
        floor = self.reading.floor if self.reading else None
        return self.metric.up_above is not None and floor is not None and floor > self.metric.up_above

    @property
    def loud(self) -> bool:
        """Not below the lower threshold, by those pods that were measured."""
        average = self.reading.average if self.reading else None
        if self.metric.down_below is None or average is None:
            return self.breached
        return average >= self.metric.down_below

    @property
    def incomplete(self) -> bool:
        """A ready pod has no value, for a metric that scaling down needs."""
        return self.metric.down_below is not None and (self.reading is None or not self.reading.complete)

    def suffices(self, replicas: int) -> bool:
        """The measured load, spread over this many pods, is not above the upper threshold."""
        limit = self.metric.up_above
        return self.reading is not None and limit is not None and self.reading.total <= limit * replicas

    def as_input(self) -> ScalingInput:
        """The metric as status shows it."""
        reading = self.reading
        average = reading.average if reading else None
        return ScalingInput(
            type=self.metric.type,
            value=None if average is None else round(average, 1),
            up_above=self.metric.up_above,
            down_below=self.metric.down_below,
            coverage_percent=100 * reading.measured // reading.ready if reading and reading.ready else 0,
        )


def decide(
    policy: AutoscalingSpec, replicas: Replicas, window: Window, state: ScalingState, now: datetime
) -> Decision:
    """The Step decision at `now`. `policy` is resolved: metrics and thresholds are filled in."""
    judged = _judge(policy, _recent(window, policy, now))
    stable_since = _stable_since(policy, window, state, now)
    return _Choice(policy, replicas, tuple(judged), state, stable_since, now).make()


def keep(policy: AutoscalingSpec) -> timedelta:
    """How long samples are of use to `decide`: stability itself is remembered in the state."""
    return max_gap(policy)


def max_gap(policy: AutoscalingSpec) -> timedelta:
    """The longest time between two complete samples that still counts as without a gap."""
    return timedelta(seconds=max(GAP_SAMPLES * policy.sample_seconds, MIN_GAP_SECONDS))


def _recent(window: Window, policy: AutoscalingSpec, now: datetime) -> Sample | None:
    """The last sample, unless it is too old to say anything about now."""
    last = window.samples[-1] if window.samples else None
    return last if last is not None and now - last.at <= max_gap(policy) else None


def _judge(policy: AutoscalingSpec, sample: Sample | None) -> list[_Judgement]:
    readings = sample.readings if sample else {}
    return [_Judgement(metric, readings.get(metric.type)) for metric in policy.metrics or ()]


def _stable_since(
    policy: AutoscalingSpec, window: Window, state: ScalingState, now: datetime
) -> datetime | None:
    """Since when all metrics have been quiet, by the remembered start and the samples seen since.

    A sample with any loud metric breaks it, and so does a gap between complete samples; an incomplete one
    neither confirms nor breaks it.
    """
    since = state.stable_since
    seen = window.seen_until
    gap = max_gap(policy)
    for sample in window.samples:
        if state.last_scale_time is not None and sample.at <= state.last_scale_time:
            continue  # the next step down needs a stability window of its own
        judged = _judge(policy, sample)
        if any(j.loud for j in judged):
            since = None
        elif any(j.incomplete for j in judged):
            continue
        elif since is None or seen is None or sample.at - seen > gap:
            since = sample.at
        seen = sample.at
    return since if seen is not None and now - seen <= gap else None


@dataclass(frozen=True)
class _Choice:
    """One decision in the making."""

    policy: AutoscalingSpec
    replicas: Replicas
    judged: tuple[_Judgement, ...]
    state: ScalingState
    stable_since: datetime | None
    now: datetime

    def make(self) -> Decision:
        """Bounds first, then breaches, then the way down."""
        wanted, policy = self.replicas.wanted, self.policy
        if wanted < policy.min_replicas:
            return self._act(
                policy.min_replicas, ScalingReason.BELOW_MINIMUM, f"minReplicas is {policy.min_replicas}"
            )
        if wanted > policy.max_replicas:
            return self._act(
                policy.max_replicas, ScalingReason.ABOVE_MAXIMUM, f"maxReplicas is {policy.max_replicas}"
            )
        breached = [j for j in self.judged if j.breached]
        if breached:
            return self._up(breached)
        if all(j.reading is None or not j.reading.measured for j in self.judged):
            return self._hold(ScalingReason.METRICS_MISSING, "no metrics; replicas stay as they are")
        if wanted <= policy.min_replicas:
            # Stability would be of no use, and a load that wobbles here must not be written to status.
            calm = replace(self, stable_since=None)
            return calm._hold(ScalingReason.AT_MINIMUM, f"no metric is high; minReplicas is {wanted}")
        if missing := [j.metric.type for j in self.judged if j.incomplete]:
            text = f"no value of {', '.join(missing)} for some ready pod; no scaling down"
            return self._hold(ScalingReason.METRICS_PARTIAL, text)
        if self.stable_since is not None:
            return self._down(self.stable_since)
        return self._hold(
            ScalingReason.WITHIN_THRESHOLDS, "no metric is above its upper threshold, not all are below"
        )

    def _up(self, breached: Sequence[_Judgement]) -> Decision:
        why = _describe(breached)
        wanted = self.replicas.wanted
        if wanted >= self.policy.max_replicas:
            return self._hold(
                ScalingReason.AT_MAXIMUM, f"{why}; maxReplicas {self.policy.max_replicas} is reached"
            )
        pending = wanted - self.replicas.ready
        if pending > 0 and all(j.suffices(wanted) for j in breached):
            return self._hold(ScalingReason.PODS_PENDING, f"{why}; {pending} more pods are on their way")
        until = self._cooldown_until(self.policy.scale_up_cooldown_seconds or 0)
        if until is not None:
            return self._hold(ScalingReason.COOLING_DOWN, f"{why}; cooldown", until)
        desired = min(wanted + self.policy.step, self.policy.max_replicas)
        return self._act(desired, ScalingReason.ABOVE_THRESHOLD, why)

    def _down(self, since: datetime) -> Decision:
        ripe = since + timedelta(seconds=self.policy.stability_seconds)
        if self.now < ripe:
            seconds = self.policy.stability_seconds
            return self._hold(ScalingReason.STABILIZING, f"all metrics must stay low for {seconds} s")
        until = self._cooldown_until(self.policy.cooldown_seconds)
        if until is not None:
            return self._hold(ScalingReason.COOLING_DOWN, "all metrics are low; cooldown", until)
        desired = max(self.replicas.wanted - self.policy.step, self.policy.min_replicas)
        seconds = self.policy.stability_seconds
        return self._act(desired, ScalingReason.BELOW_THRESHOLDS, f"all metrics were low for {seconds} s")

    def _cooldown_until(self, seconds: int) -> datetime | None:
        """The end of the cooldown, if it lies ahead."""
        last = self.state.last_scale_time
        if last is None:
            return None
        until = last + timedelta(seconds=seconds)
        return until if self.now < until else None

    def _hold(self, reason: ScalingReason, message: str, until: datetime | None = None) -> Decision:
        return Decision(
            desired=self.replicas.wanted,
            action=ScalingAction.HOLD,
            reason=reason,
            message=message,
            inputs=self._inputs(),
            stable_since=self.stable_since,
            cooldown_until=until or self._cooldown_until(self.policy.cooldown_seconds),
        )

    def _act(self, desired: int, reason: ScalingReason, message: str) -> Decision:
        """A change of replicas; stability begins anew after it."""
        up = desired > self.replicas.wanted
        return Decision(
            desired=desired,
            action=ScalingAction.UP if up else ScalingAction.DOWN,
            reason=reason,
            message=message,
            inputs=self._inputs(),
            stable_since=None,
            cooldown_until=self.now + timedelta(seconds=self.policy.cooldown_seconds),
        )

    def _inputs(self) -> tuple[ScalingInput, ...]:
        return tuple(j.as_input() for j in self.judged)


def _describe(breached: Iterable[_Judgement]) -> str:
    """For example: CPU 93.4 is above 70."""
    return ", ".join(
        f"{j.metric.type} {j.reading.average:.1f} is above {j.metric.up_above}" for j in breached if j.reading
    )
