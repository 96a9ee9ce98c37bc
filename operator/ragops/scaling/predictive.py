"""The Predictive mode: replicas for the load that is expected when pods that are ordered now will be ready.

A replica is worth having as long as the chance that it is needed is above targetViolationPercent (the
critical ratio of the newsvendor; Arrow, Harris, Marschak, Optimal Inventory Policy, 1951). What it saves is
counted in late requests: with too few replicas all are late, not only those that are too many. The head-room
is therefore what the forecast's own errors make it: more for a load that is hard to foresee.

Until a replica's capacity is known the mode is Proportional, at that mode's pace on the way down: what
head-room there is may have been ordered by a process that knew more. Memory, and any metric that stays above
its target for longer than a start-up although all pods are ready, asks for replicas as in Proportional: the
forecast knows only of the load. Without arrivals the metrics alone may add replicas, and none are removed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from ragops.api.autoscaling import DEFAULT_THRESHOLDS, AutoscalingSpec, MetricType, ScalingMode
from ragops.api.defaults import PACE
from ragops.api.status import ForecastStatus
from ragops.scaling import proportional
from ragops.scaling.choice import Choice, max_gap, sane
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState
from ragops.scaling.forecast import Distribution, Forecast
from ragops.scaling.judgement import Judgement, describe, judge, recent
from ragops.scaling.learning import Learned, load_of
from ragops.scaling.points import SLOTS
from ragops.scaling.tracking import Asked, Demand, calm, follow
from ragops.scaling.window import Window

MIN_UTILISATION: Final = 0.3
MAX_UTILISATION: Final = 0.95
STEADINESS: Final = 2.2
"""A replica must be worth so much more to be ordered, and so much less to be removed: what is ordered is paid
for while it starts, and what is removed may have to be ordered again."""
ENOUGH_JUDGED: Final = 4
"""Forecasts whose errors are known before they are gone by."""
SETTLED: Final = 20
"""Forecasts after which their errors are known well enough."""
YOUNG_HEADROOM: Final = 1.5
"""Load at most, relative to the present one, that a forecast of less experience orders for."""
LATE_PER_EXCESS: Final = 4.0
"""Requests that are late for each one that is too many: those around it wait in the same queue."""
_NODES: Final = np.array([-math.sqrt(3), 0.0, math.sqrt(3)])
_WEIGHTS: Final = np.array([1 / 6, 2 / 3, 1 / 6])
"""Gauss-Hermite quadrature of a normal variable, for the load inside a sample."""

PATIENCE: Final = (MetricType.RESPONSE_TIME, MetricType.QUEUE_DEPTH, MetricType.ERROR_RATE)
"""Metrics that must not stay above their targets, whatever the forecast holds to be enough. CPU is one of
them where no response time says how busy a replica may be."""


def decide(
    policy: AutoscalingSpec, replicas: Replicas, window: Window, state: ScalingState, now: datetime
) -> Decision:
    """The Predictive decision at `now`. `policy` is resolved: metrics and thresholds are filled in."""
    learned = window.learned
    if (
        learned is None
        or learned.forecast is None
        or learned.forecast.judged < ENOUGH_JUDGED
        or not learned.capacity.known
    ):
        decision = proportional.decide(_patient(policy), replicas, window, state, now)
        return replace(decision, message=f"{decision.message}; {_untaught(learned)}")
    state = sane(state, now)
    sample = recent(window, policy, now)
    judged = judge(policy, sample)
    fresh = sample is not None and abs(now.timestamp() - learned.at) <= max_gap(policy).total_seconds()
    complete = fresh and not any(j.incomplete for j in judged)
    need = _need(policy, replicas, learned, learned.forecast, judged)
    choice = Choice(
        policy,
        replicas,
        state,
        now,
        tuple(j.as_input() for j in judged),
        forecast=need.forecast if fresh else None,
    )
    demand = _demand(choice, need, judged, window, learned) if fresh else _blind(choice, judged)
    asked = [Asked(sample.at, max(need.least, demand.replicas), complete)] if sample and demand else []
    quiet = calm(asked, replicas.wanted, policy, _last_complete(policy, window), state, now)
    choice = replace(choice, stable_since=quiet.since, peaks=quiet.peaks)
    if (outside := choice.outside_bounds()) is not None:
        return outside
    if demand is None:
        return choice.hold(ScalingReason.METRICS_MISSING, "no arrivals are known; replicas stay as they are")
    return follow(choice, demand, complete)


def _untaught(learned: Learned | None) -> str:
    """Why there is no forecast to go by."""
    if learned is None or learned.forecast is None:
        return "no arrivals have been measured"
    return "too little is known for a forecast yet"


def _patient(policy: AutoscalingSpec) -> AutoscalingSpec:
    seconds = max(policy.stability_seconds or 0, PACE[ScalingMode.PROPORTIONAL].stability)
    return policy.model_copy(update={"stability_seconds": seconds})


def _last_complete(policy: AutoscalingSpec, window: Window) -> datetime | None:
    """The time of the last sample before the newest by which replicas could have been removed."""
    return next(
        (
            sample.at
            for sample in reversed(window.samples[:-1])
            if load_of(sample.arrivals) is not None and not any(j.incomplete for j in judge(policy, sample))
        ),
        window.seen_until,
    )


@dataclass(frozen=True)
class _Need:
    """Replicas for the expected load."""

    most: int
    """With fewer more are ordered."""
    least: int
    """With more some are removed."""
    why: str
    forecast: ForecastStatus


def _need(
    policy: AutoscalingSpec,
    replicas: Replicas,
    learned: Learned,
    forecast: Forecast,
    judged: Sequence[Judgement],
) -> _Need:
    capacity, last = learned.capacity, SLOTS - 1
    each = capacity.full * _utilisation(policy, capacity.service_seconds)
    loads = [_spread(forecast.distribution(slot), capacity.variance) for slot in range(SLOTS)]
    most = _worthwhile(loads[last], each, policy, 1 / STEADINESS)
    queue = next((j.reading for j in judged if j.metric.type is MetricType.QUEUE_DEPTH and j.measured), None)
    waiting = (queue.floor or 0.0) * queue.ready if queue else 0.0
    means = [float(load.loads @ load.weights) for load in loads]
    # What is on its way, or not ready for a moment, will serve: only a queue that is there proves otherwise.
    serving = replicas.ready if waiting else max(replicas.ready, replicas.wanted)
    behind = waiting + (means[0] - serving * capacity.full) * learned.start_seconds
    if behind > most * capacity.full * _target_seconds(policy):
        most = max(most, _draining(behind, means[last], capacity.full, policy, learned.start_seconds))
    if forecast.judged < SETTLED:
        # How wrong it can be is more of a guess than known: that must not order a fleet.
        most = min(
            most, math.ceil(min(YOUNG_HEADROOM * forecast.points.last / each, policy.max_replicas)) + 1
        )
    least = max(most, *(_worthwhile(load, each, policy, STEADINESS) for load in loads))
    status = forecast.status(forecast.leads[last] * policy.sample_seconds)
    error = capacity.error
    status = status.model_copy(
        update={
            "requests_per_second_per_replica": round(each, 2),
            "capacity_error_percent": round(100 * error, 1) if math.isfinite(error) else None,
        }
    )
    why = (
        f"{status.requests_per_second:.1f} requests/s are expected in {status.seconds_ahead} s "
        f"by {status.model}, one replica carries {each:.1f}"
    )
    return _Need(most, least, why, status)


def _utilisation(policy: AutoscalingSpec, service_seconds: float | None) -> float:
    """The utilisation at which the response time reaches its target: s / (1 - u) = target."""
    limits = {metric.type: metric.up_above for metric in policy.metrics or ()}
    target, cpu = limits.get(MetricType.RESPONSE_TIME), limits.get(MetricType.CPU)
    if target is None or service_seconds is None:
        return (cpu or DEFAULT_THRESHOLDS[MetricType.CPU].up_above) / 100
    return min(max(1 - 1000 * service_seconds / target, MIN_UTILISATION), MAX_UTILISATION)


def _target_seconds(policy: AutoscalingSpec) -> float:
    target = next((m.up_above for m in policy.metrics or () if m.type is MetricType.RESPONSE_TIME), None)
    return (target or DEFAULT_THRESHOLDS[MetricType.RESPONSE_TIME].up_above) / 1000


def _draining(behind: float, load: float, full: float, policy: AutoscalingSpec, start_seconds: float) -> int:
    """Replicas for a backlog that is there when they are ready.

    With n of them `behind` requests are gone after behind / (n * full - load) seconds, and all that arrive
    until then are late. The least of n * seconds of a start and a sample, and of those late requests at their
    price, is where n * full = load + sqrt(load * behind * full / (price * seconds)).
    """
    price = LATE_PER_EXCESS * policy.target_violation_percent / 100 * full
    seconds = start_seconds + policy.sample_seconds
    rate = load + math.sqrt(load * behind * full / (price * seconds))
    return math.ceil(min(rate / full, policy.max_replicas))


def _spread(expected: Distribution, variance: float) -> Distribution:
    """The load of a moment in place of the mean over a sample."""
    factors = np.maximum(1 + math.sqrt(variance) * _NODES, 0.0)
    return Distribution(
        (factors[:, None] * expected.loads).ravel(), (_WEIGHTS[:, None] * expected.weights).ravel()
    )


def _worthwhile(expected: Distribution, each: float, policy: AutoscalingSpec, worth: float) -> int:
    """The number of replicas, within the bounds, of the least cost: replicas, and requests that are late.

    `each`: requests a second that one carries. `worth`: how much a late request counts, relative to policy.
    """
    highest = policy.max_replicas
    # A load that needs more than all of them is served best by all of them.
    needed = np.minimum(np.ceil(expected.loads / each - 1e-9), highest).astype(np.intp)
    late_by_need = np.bincount(needed, weights=expected.weights * expected.loads, minlength=highest + 2)
    late = late_by_need[::-1].cumsum()[::-1]  # late[n]: requests a second that need n replicas or more
    count = np.arange(policy.min_replicas, highest + 1)
    price = LATE_PER_EXCESS * policy.target_violation_percent / 100 * each / worth
    return int(count[np.argmin(count + late[count + 1] / price)])


def _demand(
    choice: Choice, need: _Need, judged: Sequence[Judgement], window: Window, learned: Learned
) -> Demand:
    """What the forecast needs, or what a metric asks for that knows better."""
    policy, replicas, wanted = choice.policy, choice.replicas, choice.replicas.wanted
    if need.most > wanted:
        demand = Demand(need.most, need.why, ScalingReason.LOAD_EXPECTED)
    else:
        demand = Demand(min(need.least, wanted), need.why)
    memory = [j for j in judged if j.metric.type is MetricType.MEMORY]
    asked = proportional.largest(memory, policy, replicas)
    if asked is not None and asked[0] > demand.replicas:
        demand = Demand(asked[0], proportional.why(asked[1], asked[0]))
    if demand.replicas <= wanted and (stuck := _stuck(choice, window, learned)):
        return Demand(wanted + policy.step, f"{describe(stuck)} in spite of the forecast")
    # Where requests are stuck, few are answered, and what arrives looks like less.
    high = [j for j in judged if j.metric.type in PATIENCE and j.breached]
    if demand.replicas < wanted and high:
        return Demand(wanted, describe(high))
    return demand


def _blind(choice: Choice, judged: Sequence[Judgement]) -> Demand | None:
    """What the metrics ask for where no arrivals are known: without them nothing is removed."""
    asked = proportional.largest(judged, choice.policy, choice.replicas)
    if asked is None or asked[0] <= choice.replicas.wanted:
        return None
    return Demand(asked[0], proportional.why(asked[1], asked[0]))


def _stuck(choice: Choice, window: Window, learned: Learned) -> list[Judgement]:
    """The metrics that stay above their targets although all replicas have been ready for a while."""
    state, replicas = choice.state, choice.replicas
    settled = timedelta(seconds=learned.start_seconds) + max_gap(choice.policy)
    if replicas.ready < replicas.wanted:
        return []
    if state.last_scale_time is not None and choice.now - state.last_scale_time < settled:
        return []
    timed = any(metric.type is MetricType.RESPONSE_TIME for metric in choice.policy.metrics or ())
    types = PATIENCE if timed else (*PATIENCE, MetricType.CPU)
    seen = [judge(choice.policy, sample) for sample in window.samples]
    if len(seen) < 2:
        return []
    return [
        history[-1]
        for history in zip(*seen, strict=True)
        if history[-1].metric.type in types and all(j.breached for j in history)
    ]
