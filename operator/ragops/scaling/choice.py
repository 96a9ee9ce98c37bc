"""What all modes have in common: bounds, cooldown, rate limits, and how a decision is put together."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, RateLimit
from ragops.api.status import ForecastStatus, ScalingAction, ScalingChange, ScalingInput, ScalingPeak
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState

GAP_SAMPLES: Final = 3
MIN_GAP_SECONDS: Final = 15
"""A stability window survives a gap of three samples or 15 seconds, whichever is longer. A hiccup of the
metrics API is no longer than that, and load that comes and goes within it is below what the API can show."""

CLOCK_JUMP: Final = timedelta(minutes=1)
"""A time that lies further ahead was written by a clock that has been set back since."""

MAX_CHANGES: Final = 32
"""Changes that are remembered for the rate limits."""


def max_gap(policy: AutoscalingSpec) -> timedelta:
    """The longest time between two complete samples that still counts as without a gap."""
    return timedelta(seconds=max(GAP_SAMPLES * policy.sample_seconds, MIN_GAP_SECONDS))


def sane(state: ScalingState, now: datetime) -> ScalingState:
    """The state without times that lie ahead: the cooldown then begins anew, and so does stability."""
    latest = now + CLOCK_JUMP
    if state.stable_since is not None and state.stable_since > latest:
        state = replace(state, stable_since=None, peaks=())
    if state.last_scale_time is not None and state.last_scale_time > latest:
        state = replace(state, last_scale_time=now)
    return replace(state, changes=tuple(change for change in state.changes if change.time <= latest))


def remember(
    decision: Decision, replicas: Replicas, state: ScalingState, policy: AutoscalingSpec, now: datetime
) -> ScalingState:
    """The state after a decision that was carried out at `now`."""
    state = sane(state, now)
    acted = decision.action is not ScalingAction.HOLD
    horizon = now - timedelta(seconds=max(policy.rate_up.period_seconds, policy.rate_down.period_seconds))
    changes = tuple(change for change in state.changes if change.time > horizon)
    if acted:
        changes = (*changes, ScalingChange(time=now, replicas=replicas.wanted))
    return ScalingState(
        stable_since=decision.stable_since,
        last_scale_time=now if acted else state.last_scale_time,
        peaks=decision.peaks,
        changes=changes[-MAX_CHANGES:],
    )


@dataclass(frozen=True)
class Choice:
    """One decision in the making."""

    policy: AutoscalingSpec
    replicas: Replicas
    state: ScalingState
    now: datetime
    inputs: tuple[ScalingInput, ...] = ()
    stable_since: datetime | None = None
    peaks: tuple[ScalingPeak, ...] = ()
    forecast: ForecastStatus | None = None

    def outside_bounds(self) -> Decision | None:
        """Back into the bounds, whatever the metrics say."""
        lowest, highest = self.policy.min_replicas, self.policy.max_replicas
        if self.replicas.wanted < lowest:
            return self.act(lowest, ScalingReason.BELOW_MINIMUM, f"minReplicas is {lowest}")
        if self.replicas.wanted > highest:
            return self.act(highest, ScalingReason.ABOVE_MAXIMUM, f"maxReplicas is {highest}")
        return None

    def up_cooldown(self) -> datetime | None:
        """Until when nothing may be added; None where it may be now."""
        return self._cooldown(self.policy.scale_up_cooldown_seconds or 0)

    def down_cooldown(self) -> datetime | None:
        """Until when nothing may be removed; None where it may be now."""
        return self._cooldown(self.policy.cooldown_seconds or 0)

    def ripe_at(self, since: datetime) -> datetime:
        """When the stability that began at `since` is long enough for scaling down."""
        return since + timedelta(seconds=self.policy.stability_seconds or 0)

    def ceiling(self) -> int:
        """The most replicas that rateUp allows now."""
        base = self._base(self.policy.rate_up)
        return base + _step_of(self.policy.rate_up, base)

    def floor(self) -> int:
        """The fewest replicas that rateDown allows now."""
        base = self._base(self.policy.rate_down)
        return base - _step_of(self.policy.rate_down, base)

    def calm_forgotten(self) -> "Choice":
        """The same without stability, where it would be of no use: a load that wobbles at the minimum must
        not be written to status."""
        return replace(self, stable_since=None, peaks=())

    def hold(self, reason: ScalingReason, message: str, until: datetime | None = None) -> Decision:
        """No change. `until`: the cooldown that stands in the way."""
        return Decision(
            desired=self.replicas.wanted,
            action=ScalingAction.HOLD,
            reason=reason,
            message=message,
            inputs=self.inputs,
            stable_since=self.stable_since,
            cooldown_until=until or self.down_cooldown(),
            peaks=self.peaks,
            forecast=self.forecast,
        )

    def act(self, desired: int, reason: ScalingReason, message: str) -> Decision:
        """A change of replicas; stability begins anew after it."""
        return Decision(
            desired=desired,
            action=ScalingAction.UP if desired > self.replicas.wanted else ScalingAction.DOWN,
            reason=reason,
            message=message,
            inputs=self.inputs,
            cooldown_until=self.now + timedelta(seconds=self.policy.cooldown_seconds or 0),
            forecast=self.forecast,
        )

    def _cooldown(self, seconds: int) -> datetime | None:
        last = self.state.last_scale_time
        until = last + timedelta(seconds=seconds) if last is not None else self.now
        return until if self.now < until else None

    def _base(self, limit: RateLimit) -> int:
        """Replicas at the begin of the limit's period."""
        begin = self.now - timedelta(seconds=limit.period_seconds)
        within = (change.replicas for change in self.state.changes if change.time > begin)
        return next(within, self.replicas.wanted)


def _step_of(limit: RateLimit, base: int) -> int:
    return max(limit.replicas, base * limit.percent // 100)
