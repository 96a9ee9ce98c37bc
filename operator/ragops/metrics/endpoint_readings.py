"""From what the pods of a service expose to readings: response time, error rate, queue depth, arrivals."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ragops.api.autoscaling import EndpointSpec, MetricSpec, MetricType
from ragops.metrics.exposition import Exposition
from ragops.metrics.pod import Pod
from ragops.metrics.source import ENDPOINT_METRICS, Measured, Missing, MissingReason, Target
from ragops.metrics.traffic import Traffic, merged, quantile
from ragops.scaling.sample import Reading, reading

NOT_ENOUGH_TO_JUDGE: Final = 3
"""Of fewer busy pods nobody can say which one is the exception."""


@dataclass(frozen=True)
class Answer:
    """What one pod gave in this sample."""

    pod: Pod
    exposed: Exposition | None = None
    traffic: Traffic | None = None
    """Since the scrape before."""
    missing: Missing | None = None
    """Why either is absent."""


def wanted_names(target: Target) -> frozenset[str]:
    """The samples that `target` needs of its pods' endpoints; none where it needs no endpoint."""
    names, wanted = target.endpoint, set()
    for metric in target.wanted(ENDPOINT_METRICS):
        wanted |= _names(metric, names)
    if target.arrivals:
        wanted.add(f"{names.request_seconds}_count")
    return frozenset(wanted)


def measured(target: Target, answers: Sequence[Answer]) -> Measured:
    """One reading for each metric that `target` wants of the endpoints, over all ready pods."""
    readings, missing = {}, {}
    for metric in target.wanted(ENDPOINT_METRICS):
        readings[metric.type] = _VALUES[metric.type](metric, target.endpoint, answers)
        if why := next(_whys(metric, target.endpoint, answers), None):
            missing[metric.type] = why
    return Measured(readings, _arrivals(target.endpoint, answers) if target.arrivals else None, missing)


def _whys(metric: MetricSpec, names: EndpointSpec, answers: Sequence[Answer]) -> Iterator[Missing]:
    """Why some pod has no value, the weightiest reason first."""
    exposed = [answer.exposed for answer in answers if answer.exposed]
    for name in sorted(_names(metric, names)):
        if exposed and not any(one.exposes(name) for one in exposed):
            yield Missing(MissingReason.NOT_EXPOSED, f"no pod exposes a metric {name}")
    for answer in answers:
        if answer.missing and (answer.exposed is None or metric.type is not MetricType.QUEUE_DEPTH):
            yield answer.missing


def _names(metric: MetricSpec, names: EndpointSpec) -> set[str]:
    """The samples that a metric is made of."""
    match metric.type:
        case MetricType.QUEUE_DEPTH:
            return {names.queue_depth}
        case MetricType.ERROR_RATE:
            return {names.requests, names.errors}
        case _:
            parts = ("count", "sum") if metric.percentile is None else ("count", "bucket")
            return {f"{names.request_seconds}_{part}" for part in parts}


def _traffics(metric: MetricSpec, names: EndpointSpec, answers: Sequence[Answer]) -> list[Traffic | None]:
    """Of each pod. One that does not know a metric yet, which others do, has had no request."""
    known = all(
        any(answer.exposed and answer.exposed.exposes(name) for answer in answers)
        for name in _names(metric, names)
    )
    return [answer.traffic if known else None for answer in answers]


def _response_time(metric: MetricSpec, names: EndpointSpec, answers: Sequence[Answer]) -> Reading:
    return response_time(metric, _traffics(metric, names, answers))


def response_time(metric: MetricSpec, traffics: Sequence[Traffic | None]) -> Reading:
    """Milliseconds, weighted by requests. `traffics`: of each ready pod; None where it is not known."""
    if metric.percentile is not None:
        return _percentile(metric.percentile / 100, traffics)
    return reading(
        [(1000 * t.busy / t.timed if t.timed else 0.0) if t else None for t in traffics],
        [t.timed if t else 0.0 for t in traffics],
    )


def _percentile(q: float, traffics: Sequence[Traffic | None]) -> Reading:
    """Of all requests to all pods, by one histogram; its excess is what the slowest pod adds to it."""
    known = [t for t in traffics if t is not None]
    weight = math.fsum(t.timed for t in known)
    none = Reading(total=0.0, measured=len(known), ready=len(traffics), weight=weight)
    if not weight:
        return none
    busy = sorted((t for t in known if t.timed), key=lambda t: quantile(q, t.buckets) or 0.0)
    value = quantile(q, merged(t.buckets for t in busy))
    if value is None or value < 0:
        return replace(none, measured=0, weight=0.0)
    others = quantile(q, merged(t.buckets for t in busy[:-1])) if len(busy) >= NOT_ENOUGH_TO_JUDGE else value
    excess = max(value - (others or 0.0), 0.0)
    return replace(none, total=1000 * value * weight, excess=1000 * excess * weight)


def _error_rate(metric: MetricSpec, names: EndpointSpec, answers: Sequence[Answer]) -> Reading:
    return error_rate(_traffics(metric, names, answers))


def error_rate(traffics: Sequence[Traffic | None]) -> Reading:
    """Per cent of requests, weighted by them."""
    return reading(
        [(min(100 * t.errors / t.requests, 100.0) if t.requests else 0.0) if t else None for t in traffics],
        [t.requests if t else 0.0 for t in traffics],
    )


def _queue_depth(_: MetricSpec, names: EndpointSpec, answers: Sequence[Answer]) -> Reading:
    """Waiting items of each pod, summed over its series."""
    depths: list[float | None] = []
    for answer in answers:
        exposed = answer.exposed
        if exposed is None or not exposed.exposes(names.queue_depth):
            depths.append(None)
            continue
        depths.append(sum(v for series, v in exposed.values.items() if series.name == names.queue_depth))
    return reading(depths)


def _arrivals(names: EndpointSpec, answers: Sequence[Answer]) -> Reading:
    """Requests a second of each pod since the scrape before; none is known where no pod counts them. Where
    others have been scraped before, a pod that has not is new: the others have got the requests until now."""
    count = f"{names.request_seconds}_count"
    if not any(answer.exposed and answer.exposed.exposes(count) for answer in answers):
        return reading([None for _ in answers])
    settled = any(answer.traffic for answer in answers)
    return reading(
        [
            a.traffic.timed / a.traffic.seconds if a.traffic else 0.0 if settled and a.exposed else None
            for a in answers
        ]
    )


_VALUES: Final[dict[MetricType, Callable[[MetricSpec, EndpointSpec, Sequence[Answer]], Reading]]] = {
    MetricType.RESPONSE_TIME: _response_time,
    MetricType.ERROR_RATE: _error_rate,
    MetricType.QUEUE_DEPTH: _queue_depth,
}
