"""Why a service was scaled or not, by which values, and when the next change may come."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, MetricType
from ragops.api.status import ScalingAction, ScalingInput, ScalingStatus
from ragops.cli.system import ServiceView, System
from ragops.cli.times import moment, since
from ragops.scaling.decision import ScalingReason

UNITS: Final = {
    MetricType.CPU: "% of what is requested",
    MetricType.MEMORY: "% of what is requested",
    MetricType.RESPONSE_TIME: "ms",
    MetricType.QUEUE_DEPTH: "waiting a replica",
    MetricType.ERROR_RATE: "% of requests",
}


def explain_scaling(system: System, service: ServiceView, now: datetime) -> Iterator[str]:
    """Sentences, the decision first."""
    policy = service.spec.autoscaling if service.spec else None
    scaling = service.status.scaling if service.status else None
    if policy is None:
        yield from _unscaled(service)
        return
    if not service.scaled:
        yield "mode External: an HPA, KEDA or a person owns the replicas"
        return
    bounds = f"mode {policy.mode}, {policy.min_replicas} to {policy.max_replicas} replicas"
    if scaling is None:
        yield f"{bounds}; nothing is decided before the first start has ended"
        return
    verb = {ScalingAction.UP: "more", ScalingAction.DOWN: "fewer", ScalingAction.HOLD: "no change"}
    yield f"{scaling.desired} wanted: {verb[scaling.action]}, {scaling.reason}: {scaling.message}"
    yield bounds
    if scaling.inputs:
        yield "what the decision saw, at the moment it last changed:"
        yield from (f"  {_input(value)}" for value in scaling.inputs)
    if forecast := scaling.forecast:
        yield (
            f"  forecast {forecast.requests_per_second:.1f} requests/s in {forecast.seconds_ahead} s, by "
            f"{forecast.model}"
        )
    if scaling.last_scale_time:
        yield f"last change {since(scaling.last_scale_time, now)} ago"
    if system.paused:
        yield "next: nothing, since spec.paused is true"
    elif scaling.reason == ScalingReason.OWNED_BY_OTHERS:
        yield "next: nothing by ragops, until the other autoscaler is gone"
    else:
        yield f"next up: {_next_up(policy, scaling, now)}"
        yield f"next down: {_next_down(policy, scaling, now)}"


def _unscaled(service: ServiceView) -> Iterator[str]:
    if service.spec and service.spec.replicas is not None:
        yield f"not scaled: spec sets replicas to {service.spec.replicas}, and has no autoscaling"
    else:
        yield "not scaled by ragops: spec has no autoscaling; an HPA, or kubectl scale, may set the replicas"


def _input(value: ScalingInput) -> str:
    """One metric against its thresholds."""
    measured = "no value" if value.value is None else f"{value.value:g} {UNITS[value.type]}"
    limits = [f"up above {value.up_above}"] if value.up_above is not None else []
    limits += [f"down below {value.down_below}"] if value.down_below is not None else []
    text = f"{value.type} {measured}, {', '.join(limits)}: {_verdict(value)}"
    partial = value.value is not None and value.coverage_percent < 100
    return f"{text}; {value.coverage_percent}% of the pods measured" if partial else text


def _verdict(value: ScalingInput) -> str:
    if value.value is None:
        return "missing"
    if value.up_above is not None and value.value > value.up_above:
        return "high"
    if value.down_below is None or value.value < value.down_below:
        return "low" if value.down_below is not None else "not high"
    return "between"


def _next_up(policy: AutoscalingSpec, scaling: ScalingStatus, now: datetime) -> str:
    if scaling.desired >= policy.max_replicas:
        return f"not beyond maxReplicas {policy.max_replicas}"
    until = _after(scaling.last_scale_time, policy.scale_up_cooldown_seconds)
    if until is not None and until > now:
        return f"not before {moment(until, now)}, when the cooldown ends"
    return "at once, when a metric asks for it"


def _next_down(policy: AutoscalingSpec, scaling: ScalingStatus, now: datetime) -> str:
    if scaling.desired <= policy.min_replicas:
        return f"not below minReplicas {policy.min_replicas}"
    cooled = _after(scaling.last_scale_time, policy.cooldown_seconds)
    ripe = _after(scaling.stable_since, policy.stability_seconds)
    if ripe is None:
        cooldown = f", and not before {moment(cooled, now)}" if cooled and cooled > now else ""
        return f"once fewer have been enough for {policy.stability_seconds} s without a gap{cooldown}"
    earliest = max(filter(None, (cooled, ripe)))
    if earliest <= now:
        return "with the next decision, if fewer are still enough"
    why = (
        "the cooldown ends"
        if cooled and cooled == earliest
        else f"{policy.stability_seconds} s of calm are full"
    )
    return f"at the earliest {moment(earliest, now)}, when {why}"


def _after(time: datetime | None, seconds: int | None) -> datetime | None:
    return None if time is None else time + timedelta(seconds=seconds or 0)
