"""From a demand for replicas to a decision: how modes Proportional and Predictive go up and down.

Up at once, within rateUp; a demand that is a multiple of what is ready goes up whatever the limits (panic, as
in Knative's autoscaler). Down to the largest demand of the stability window (as a HorizontalPodAutoscaler
does), within rateDown, and only when the window is full and the cooldown has passed.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec
from ragops.api.status import ScalingPeak
from ragops.scaling.choice import Choice, max_gap
from ragops.scaling.decision import Decision, ScalingReason, ScalingState

PARTS: Final = 10
"""Parts of the stability window of which the peaks are remembered: status then changes no more often."""


@dataclass(frozen=True)
class Demand:
    """How many replicas are asked for, and why."""

    replicas: int
    why: str
    up_reason: ScalingReason = ScalingReason.ABOVE_TARGET


@dataclass(frozen=True)
class Asked:
    """What was asked for at the time of one sample."""

    at: datetime
    replicas: int
    complete: bool
    """It was measured well enough to go down by."""


@dataclass(frozen=True)
class Calm:
    """Since when fewer replicas than there are would have been enough, and how many at most."""

    since: datetime | None = None
    peaks: tuple[ScalingPeak, ...] = ()


def calm(
    asked: Iterable[Asked],
    wanted: int,
    policy: AutoscalingSpec,
    seen: datetime | None,
    state: ScalingState,
    now: datetime,
) -> Calm:
    """The calm by what is remembered and what the samples since `seen` asked for.

    A demand for what there is, or more, ends it, and so does a gap between complete samples; an incomplete
    sample that asks for less neither confirms nor breaks it.
    """
    # A person may have taken away what was asked for before.
    was_calm = all(peak.desired < wanted for peak in state.peaks)
    current = Calm(state.stable_since, state.peaks) if was_calm else Calm()
    gap = max_gap(policy)
    for sample in asked:
        if state.last_scale_time is not None and sample.at < state.last_scale_time:
            continue  # the next step down needs a stability window of its own
        if sample.replicas >= wanted:
            current = Calm()
        elif not sample.complete:
            continue
        else:
            if current.since is None or seen is None or abs(sample.at - seen) > gap:
                current = Calm(sample.at)
            current = replace(current, peaks=_with_peak(current.peaks, sample, policy))
        seen = sample.at
    if seen is None or abs(now - seen) > gap:
        return Calm()
    begin = now - timedelta(seconds=(policy.stability_seconds or 0) + _part_seconds(policy))
    return replace(current, peaks=tuple(peak for peak in current.peaks if peak.since > begin))


def follow(choice: Choice, demand: Demand, complete: bool) -> Decision:
    """The decision on a demand, within the bounds. `complete`: it may be gone down by."""
    wanted, policy = choice.replicas.wanted, choice.policy
    if demand.replicas > wanted:
        return _up(choice, demand)
    if wanted <= policy.min_replicas:
        return choice.calm_forgotten().hold(
            ScalingReason.AT_MINIMUM, f"{demand.why}; minReplicas is {wanted}"
        )
    if demand.replicas == wanted:
        return choice.hold(ScalingReason.WITHIN_TOLERANCE, demand.why)
    if not complete or choice.stable_since is None:
        return choice.hold(ScalingReason.STABILIZING, f"{demand.why}; not seen for long enough")
    return _down(choice, demand, choice.stable_since)


def _up(choice: Choice, demand: Demand) -> Decision:
    wanted, policy = choice.replicas.wanted, choice.policy
    desired = min(demand.replicas, policy.max_replicas)
    if wanted >= policy.max_replicas:
        text = f"{demand.why}; maxReplicas {policy.max_replicas} is reached"
        return choice.hold(ScalingReason.AT_MAXIMUM, text)
    ready = max(choice.replicas.ready, 1)
    # One more is no panic: with a single pod any growth would be one.
    if 100 * demand.replicas >= policy.panic_percent * ready and demand.replicas > ready + 1:
        return choice.act(desired, ScalingReason.PANIC, f"{demand.why}, far more than are ready")
    if (until := choice.up_cooldown()) is not None:
        return choice.hold(ScalingReason.COOLING_DOWN, f"{demand.why}; cooldown", until)
    ceiling = choice.ceiling()
    if ceiling <= wanted:
        return choice.hold(ScalingReason.RATE_LIMITED, f"{demand.why}; rateUp allows no more for now")
    why = f"{demand.why}; rateUp allows {ceiling} for now" if ceiling < desired else demand.why
    return choice.act(min(desired, ceiling), demand.up_reason, why)


def _down(choice: Choice, demand: Demand, since: datetime) -> Decision:
    policy, seconds = choice.policy, choice.policy.stability_seconds
    if choice.now < choice.ripe_at(since):
        return choice.hold(ScalingReason.STABILIZING, f"{demand.why}; that must hold for {seconds} s")
    if (until := choice.down_cooldown()) is not None:
        return choice.hold(ScalingReason.COOLING_DOWN, f"{demand.why}; cooldown", until)
    peak = max((peak.desired for peak in choice.peaks), default=demand.replicas)
    desired = max(peak, demand.replicas, policy.min_replicas)
    floor = choice.floor()
    if floor >= choice.replicas.wanted:
        return choice.hold(ScalingReason.RATE_LIMITED, f"{demand.why}; rateDown allows no fewer for now")
    text = f"at most {desired} asked for in {seconds} s"
    why = f"{text}; rateDown allows {floor} for now" if floor > desired else text
    return choice.act(max(desired, floor), ScalingReason.BELOW_TARGET, why)


def _with_peak(
    peaks: tuple[ScalingPeak, ...], sample: Asked, policy: AutoscalingSpec
) -> tuple[ScalingPeak, ...]:
    """The peaks with one more demand. Only what is larger than all after it can become the largest."""
    seconds = _part_seconds(policy)
    begin = datetime.fromtimestamp(sample.at.timestamp() // seconds * seconds, sample.at.tzinfo)
    larger = [peak for peak in peaks if peak.desired > sample.replicas]
    if larger and larger[-1].since >= begin:
        return tuple(larger)
    same = next((peak for peak in peaks if peak == ScalingPeak(since=begin, desired=sample.replicas)), None)
    return (*larger, same or ScalingPeak(since=begin, desired=sample.replicas))


def _part_seconds(policy: AutoscalingSpec) -> int:
    return max(policy.sample_seconds, math.ceil((policy.stability_seconds or 0) / PARTS))
