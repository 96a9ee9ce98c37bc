"""The Step mode: one step up on any breach, one step down when all has been quiet for long enough.

Up when ANY metric is above its upper threshold. Down only when ALL have been below their lower thresholds for
the whole stability window, without a gap in the samples, and the cooldown has passed. Missing metrics never
scale down; with partial metrics a missing pod counts as idle on the way up, and blocks the way down.
"""

from collections.abc import Sequence
from datetime import datetime

from ragops.api.autoscaling import AutoscalingSpec
from ragops.scaling.choice import Choice, max_gap, sane
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState
from ragops.scaling.judgement import Judgement, describe, judge, recent, why_missing
from ragops.scaling.window import Window


def decide(
    policy: AutoscalingSpec, replicas: Replicas, window: Window, state: ScalingState, now: datetime
) -> Decision:
    """The Step decision at `now`. `policy` is resolved: metrics and thresholds are filled in."""
    state = sane(state, now)
    judged = judge(policy, recent(window, policy, now))
    choice = Choice(
        policy,
        replicas,
        state,
        now,
        inputs=tuple(j.as_input() for j in judged),
        stable_since=_stable_since(policy, window, state, now),
    )
    return choice.outside_bounds() or _within_bounds(choice, judged)


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
        if state.last_scale_time is not None and sample.at < state.last_scale_time:
            continue  # the next step down needs a stability window of its own
        judged = judge(policy, sample)
        if any(j.loud for j in judged):
            since = None
        elif any(j.incomplete for j in judged):
            continue
        elif since is None or seen is None or abs(sample.at - seen) > gap:
            since = sample.at
        seen = sample.at
    return since if seen is not None and abs(now - seen) <= gap else None


def _within_bounds(choice: Choice, judged: Sequence[Judgement]) -> Decision:
    """Breaches first, then the way down."""
    policy, wanted = choice.policy, choice.replicas.wanted
    breached = [j for j in judged if j.breached]
    if breached:
        return _up(choice, breached)
    if not any(j.measured for j in judged):
        why = why_missing(judged)
        return choice.hold(ScalingReason.METRICS_MISSING, f"no value of {why}; replicas stay as they are")
    if wanted <= policy.min_replicas:
        text = f"no metric is high; minReplicas is {wanted}"
        return choice.calm_forgotten().hold(ScalingReason.AT_MINIMUM, text)
    if any(j.incomplete for j in judged):
        text = f"no value of {why_missing(judged)} for some ready pod; no scaling down"
        return choice.hold(ScalingReason.METRICS_PARTIAL, text)
    if choice.stable_since is not None:
        return _down(choice, choice.stable_since)
    return choice.hold(
        ScalingReason.WITHIN_THRESHOLDS, "no metric is above its upper threshold, not all are below"
    )


def _up(choice: Choice, breached: Sequence[Judgement]) -> Decision:
    why, policy = describe(breached), choice.policy
    wanted = choice.replicas.wanted
    if wanted >= policy.max_replicas:
        return choice.hold(ScalingReason.AT_MAXIMUM, f"{why}; maxReplicas {policy.max_replicas} is reached")
    pending = wanted - choice.replicas.ready
    if pending > 0 and all(j.suffices(wanted) for j in breached):
        return choice.hold(ScalingReason.PODS_PENDING, f"{why}; {pending} more pods are on their way")
    if (until := choice.up_cooldown()) is not None:
        return choice.hold(ScalingReason.COOLING_DOWN, f"{why}; cooldown", until)
    desired = min(wanted + policy.step, policy.max_replicas)
    return choice.act(desired, ScalingReason.ABOVE_THRESHOLD, why)


def _down(choice: Choice, since: datetime) -> Decision:
    policy, seconds = choice.policy, choice.policy.stability_seconds
    if choice.now < choice.ripe_at(since):
        return choice.hold(ScalingReason.STABILIZING, f"all metrics must stay low for {seconds} s")
    if (until := choice.down_cooldown()) is not None:
        return choice.hold(ScalingReason.COOLING_DOWN, "all metrics are low; cooldown", until)
    desired = max(choice.replicas.wanted - policy.step, policy.min_replicas)
    return choice.act(desired, ScalingReason.BELOW_THRESHOLDS, f"all metrics were low for {seconds} s")
