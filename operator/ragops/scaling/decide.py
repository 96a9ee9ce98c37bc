"""The scaling decision of all modes, and what comes before and after it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, ScalingMode
from ragops.api.status import ScalingAction
from ragops.scaling import predictive, proportional, step
from ragops.scaling.choice import max_gap
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState
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
    decision = _MODES[policy.mode](policy, replicas, window, state, now)
    return _without_calm(decision, replicas) if replicas.beside else decision


def _without_calm(decision: Decision, replicas: Replicas) -> Decision:
    """While others share the load, that it is low says nothing about when they are gone."""
    calm_only = decision.reason in (
        ScalingReason.STABILIZING,
        ScalingReason.BELOW_THRESHOLDS,
        ScalingReason.BELOW_TARGET,
    )
    if calm_only:
        decision = replace(
            decision,
            desired=replicas.wanted,
            action=ScalingAction.HOLD,
            reason=ScalingReason.STABILIZING,
            message="no pod is removed while a new version shares the load",
            cooldown_until=None,
        )
    return replace(decision, stable_since=None, peaks=())


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
