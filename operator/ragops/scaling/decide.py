"""The scaling decision of all modes, and what comes before and after it."""

from datetime import datetime, timedelta
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, ScalingMode
from ragops.scaling import predictive, proportional, step
from ragops.scaling.choice import max_gap
from ragops.scaling.decision import Decision, Replicas, ScalingState
from ragops.scaling.judgement import judge
from ragops.scaling.learning import learn
from ragops.scaling.window import Sample, Window

_MODES: Final = {
    ScalingMode.STEP: step.decide,
    ScalingMode.PROPORTIONAL: proportional.decide,
    ScalingMode.PREDICTIVE: predictive.decide,
}


def decide(
    policy: AutoscalingSpec, replicas: Replicas, window: Window, state: ScalingState, now: datetime
) -> Decision:
    """The decision at `now` in the policy's mode. `policy` is resolved, and its mode is not External."""
    return _MODES[policy.mode](policy, replicas, window, state, now)


def take_in(policy: AutoscalingSpec, window: Window, sample: Sample) -> Window:
    """The window after one more sample."""

    def complete(old: Sample) -> bool:
        judged = judge(policy, old)
        loud = policy.mode is ScalingMode.STEP and any(j.loud for j in judged)
        return loud or not any(j.incomplete for j in judged)

    return window.with_sample(sample, keep(policy), complete)


def observe(policy: AutoscalingSpec, window: Window, sample: Sample) -> Window:
    """The window after one more sample, with what mode Predictive learns from it."""
    seen = take_in(policy, window, sample)
    if policy.mode is not ScalingMode.PREDICTIVE or seen is window:
        return seen
    return seen.with_learned(learn(window.learned, sample, policy.sample_seconds))


def keep(policy: AutoscalingSpec) -> timedelta:
    """How long samples are of use to `decide`: what is older is in the state, or has been learned from."""
    return max_gap(policy)
