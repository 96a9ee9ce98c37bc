"""The Proportional mode: as many replicas as bring the metrics to their targets; the largest demand wins."""

from collections.abc import Sequence
from datetime import datetime

from ragops.api.autoscaling import AutoscalingSpec, MetricType
from ragops.scaling.choice import Choice, max_gap, sane
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState
from ragops.scaling.judgement import Judgement, describe, judge, recent, why_missing
from ragops.scaling.sample import Sample
from ragops.scaling.tracking import Asked, Demand, calm, follow
from ragops.scaling.window import Window


def decide(
    policy: AutoscalingSpec, replicas: Replicas, window: Window, state: ScalingState, now: datetime
) -> Decision:
    """The Proportional decision at `now`. `policy` is resolved: metrics and thresholds are filled in."""
    state = sane(state, now)
    judged = judge(policy, recent(window, policy, now))
    asked = [_asked(policy, replicas, sample) for sample in window.samples]
    quiet = calm(asked, replicas.wanted, policy, window.seen_until, state, now)
    choice = Choice(
        policy, replicas, state, now, tuple(j.as_input() for j in judged), quiet.since, quiet.peaks
    )
    return choice.outside_bounds() or _within_bounds(choice, judged)


def largest(
    judged: Sequence[Judgement], policy: AutoscalingSpec, replicas: Replicas
) -> tuple[int, Judgement] | None:
    """The largest demand of all metrics, and whose it is; None where no metric can tell."""
    demands = [(demand, j) for j in judged if (demand := j.demand(policy, replicas)) is not None]
    return max(demands, key=lambda pair: pair[0], default=None)


def _told_anew(choice: Choice) -> bool:
    """Enough samples have come since the last action for an ErrorRate to speak of what is there now."""
    last = choice.state.last_scale_time
    return last is None or choice.now - last > max_gap(choice.policy)


def _asked(policy: AutoscalingSpec, replicas: Replicas, sample: Sample) -> Asked:
    judged = judge(policy, sample)
    demand = largest(judged, policy, replicas)
    complete = demand is not None and not any(j.incomplete for j in judged)
    return Asked(sample.at, demand[0] if demand else 0, complete)


def _within_bounds(choice: Choice, judged: Sequence[Judgement]) -> Decision:
    wanted = choice.replicas.wanted
    # The step that was made for errors needs time to show; the other metrics go on asking meanwhile.
    asking = [j for j in judged if j.metric.type is not MetricType.ERROR_RATE or _told_anew(choice)]
    found = largest(asking, choice.policy, choice.replicas)
    if not any(j.measured for j in judged):
        text = f"no value of {why_missing(judged)}; replicas stay as they are"
        return choice.hold(ScalingReason.METRICS_MISSING, text)
    if found is None:
        return choice.hold(ScalingReason.WITHIN_TOLERANCE, "no metric asks for a change")
    replicas, strongest = found
    complete = not any(j.incomplete for j in judged)
    if replicas <= wanted and not complete and wanted > choice.policy.min_replicas:
        text = f"no value of {why_missing(judged)} for some ready pod; no scaling down"
        return choice.hold(ScalingReason.METRICS_PARTIAL, text)
    pending = wanted - choice.replicas.ready
    if replicas == wanted and pending > 0 and (high := [j for j in judged if j.breached]):
        return choice.hold(
            ScalingReason.PODS_PENDING, f"{describe(high)}; {pending} more pods are on their way"
        )
    return follow(choice, Demand(replicas, why(strongest, replicas)), complete)


def why(judgement: Judgement, replicas: int) -> str:
    """For example: CPU 93.4 at a target of 70 asks for 5."""
    average = judgement.reading.average if judgement.reading else None
    value = "" if average is None else f" {average:.1f}"
    return f"{judgement.metric.type}{value} at a target of {judgement.metric.up_above} asks for {replicas}"
