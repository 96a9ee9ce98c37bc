"""What happens with the requests of a service: by the gateway before it, or else by its pods themselves."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import inf
from typing import Final

from ragops.api.autoscaling import MetricType
from ragops.metrics.endpoint import RECENT_SAMPLES, EndpointSource
from ragops.metrics.endpoint_readings import error_rate, response_time
from ragops.metrics.gateway import Gateways, Look, PodFigures, ServiceFigures, VariantFigures
from ragops.metrics.pod import Pod
from ragops.metrics.source import ENDPOINT_METRICS, Measured, Missing, MissingReason, ServiceId, Target
from ragops.metrics.traffic import Traffic
from ragops.scaling.sample import Reading, reading

FORGET_SECONDS: Final = 1200.0
LATENESS_SECONDS: Final = 1.0
"""By which the clocks of a gateway's node and of the operator may differ."""


@dataclass(frozen=True)
class _Seen:
    """What all gateways have counted of one service, at a time."""

    at: float
    wall: float
    gateways: Mapping[str, tuple[float, ServiceFigures]]
    """By uid of the gateway's pod: when its agent began to count, and what it has."""


@dataclass
class _Increase:
    """What was counted between two looks."""

    seconds: float
    arrivals: int = 0
    pods: dict[str, Traffic] = field(default_factory=dict)
    """By address, of those that any gateway has."""
    lost: int = 0
    """Requests that no pod got."""
    lost_errors: int = 0


class RequestsSource:
    """ResponseTime, QueueDepth, ErrorRate and the arrivals."""

    name = "requests"

    def __init__(
        self, endpoint: EndpointSource, gateways: Gateways, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._endpoint = endpoint
        self._gateways = gateways
        self._clock = clock
        self._last: dict[tuple[ServiceId, str], _Seen] = {}
        """By service, and by variant where each is measured by itself."""

    async def measure(self, target: Target, pods: Sequence[Pod]) -> Measured:
        """See Source. Where the gateway has a service, only the queue is asked of its pods: of those that
        have none, the gateway's own is it."""
        if not target.arrivals and not any(target.wanted(ENDPOINT_METRICS)):
            return Measured()
        look = await self._gateways.look(target.service.key) if target.through_gateway() else None
        if look is None:
            return await self._endpoint.measure(target, pods)
        queues = tuple(m for m in target.metrics if m.type is MetricType.QUEUE_DEPTH)
        own = await self._endpoint.measure(replace(target, metrics=queues, arrivals=False), pods)
        found = self._by_gateway(target, pods, look)
        counted = own.readings.get(MetricType.QUEUE_DEPTH)
        if counted is not None and counted.measured:
            return replace(
                found,
                readings={**found.readings, **own.readings},
                missing={**found.missing, **own.missing},
            )
        return found

    def _by_gateway(self, target: Target, pods: Sequence[Pod], look: Look) -> Measured:
        wanted = list(target.wanted(ENDPOINT_METRICS))
        why = _silent(target.service, look)
        counted = None if why else self._counted(target, pods, look)
        if why is None and counted is None:
            why = Missing(MissingReason.FIRST_SCRAPE, "the first look at the gateway is to compare with")
        traffics = [counted.pods.get(pod.address or "") if counted else None for pod in pods]
        if why is None and not all(traffics):
            why = Missing(MissingReason.STALE, "the gateway has not found a pod yet")
        readings: dict[MetricType, Reading] = {}
        for metric in wanted:
            match metric.type:
                case MetricType.RESPONSE_TIME:
                    readings[metric.type] = response_time(metric, traffics)
                case MetricType.ERROR_RATE:
                    readings[metric.type] = _with_lost(error_rate(traffics), counted)
                case MetricType.QUEUE_DEPTH:
                    queue = _queue(target.service, look)
                    share = None if counted is None or not pods else queue / len(pods)
                    readings[metric.type] = reading([share for _ in pods])
        missing = {metric.type: why for metric in wanted} if why else {}
        return Measured(readings, _arrivals(counted, pods) if target.arrivals else None, missing)

    def _counted(self, target: Target, pods: Sequence[Pod], look: Look) -> _Increase | None:
        """Since the look before; None where there was none of late."""
        name = target.service.name
        alone = _variant_of(pods, name, look) if target.variant_alone else ""
        told = {uid: (one.started_at, one.service(name)) for uid, one in look.told.items()}
        now = {uid: (started, figures) for uid, (started, figures) in told.items() if figures is not None}
        key = (target.service, alone)
        before = self._last.get(key)
        # A gateway that is not asked now, for it is not ready, may be again.
        kept = before.gateways if before else {}
        self._forget()
        self._last[key] = _Seen(look.at, look.wall, {**kept, **now})
        oldest = look.at - RECENT_SAMPLES * target.every.total_seconds()
        if before is None or not oldest <= before.at < look.at:
            return None
        bounds = next(iter(look.told.values())).bucket_bounds
        return _increase(before, now, look.at, bounds, alone)

    def _forget(self) -> None:
        oldest = self._clock() - FORGET_SECONDS
        if self._last and next(iter(self._last.values())).at < oldest:
            self._last = {key: seen for key, seen in self._last.items() if seen.at >= oldest}


def _variant_of(pods: Sequence[Pod], service: str, look: Look) -> str:
    """The variant that has these pods, by the gateways; of none where they know none of them."""
    addresses = {pod.address for pod in pods}
    found = (figures.service(service) for figures in look.told.values())
    variants = (variant for one in found if one for variant in one.variants)
    return next((v.name for v in variants if any(pod.address in addresses for pod in v.pods)), "none")


def _silent(service: ServiceId, look: Look) -> Missing | None:
    """A gateway that tells nothing, or not of this service, makes all of it unknown: a part of the requests
    would look like few."""
    for pod, error in sorted(look.silent.items()):
        return Missing(error.missing.reason, f"gateway pod {pod}: {error}")
    if not look.told or any(figures.service(service.name) is None for figures in look.told.values()):
        return Missing(MissingReason.NOT_EXPOSED, "the gateway does not know the service yet")
    return None


def _queue(service: ServiceId, look: Look) -> int:
    found = (figures.service(service.name) for figures in look.told.values())
    return sum(one.queue for one in found if one is not None)


def _with_lost(found: Reading, counted: _Increase | None) -> Reading:
    """With the requests that no pod got: they are errors of the service all the same."""
    if counted is None or not found.measured:
        return found
    weight = (found.weight or 0.0) + counted.lost
    return replace(found, total=found.total + 100.0 * counted.lost_errors, weight=weight)


def _arrivals(counted: _Increase | None, pods: Sequence[Pod]) -> Reading:
    """Requests a second, those that wait or were refused among them; which pod they are for is not known."""
    share = counted.arrivals / counted.seconds / len(pods) if counted and pods else None
    return reading([share for _ in pods])


def _increase(
    before: _Seen,
    now: Mapping[str, tuple[float, ServiceFigures]],
    at: float,
    bounds: Sequence[float],
    alone: str,
) -> _Increase:
    """`alone`: the variant that is measured by itself; empty: all are."""
    found = _Increase(at - before.at)
    for uid, (started, service) in now.items():
        then = _comparable(before, uid, started)
        if then is None and started < before.wall - LATENESS_SECONDS:
            continue  # it was there, but not asked: nobody knows what of this is new
        found.arrivals += max(service.arrivals - (then.arrivals if then else 0), 0)
        for variant in service.variants:
            if alone not in ("", variant.name):
                continue
            _add_variant(found, variant, _named(then, variant.name), bounds)
    return found


def _comparable(before: _Seen, uid: str, started: float) -> ServiceFigures | None:
    known = before.gateways.get(uid)
    return known[1] if known and known[0] == started else None


def _named(service: ServiceFigures | None, variant: str) -> VariantFigures | None:
    return next((one for one in service.variants if one.name == variant), None) if service else None


def _add_variant(
    found: _Increase, variant: VariantFigures, then: VariantFigures | None, bounds: Sequence[float]
) -> None:
    lost = variant.requests - (then.requests if then else 0)
    errors = variant.errors - (then.errors if then else 0)
    old = {pod.address: pod for pod in then.pods} if then else {}
    for pod in variant.pods:
        traffic = _of_pod(pod, old.get(pod.address), found.seconds, bounds)
        lost, errors = lost - int(traffic.requests), errors - int(traffic.errors)
        known = found.pods.get(pod.address)
        found.pods[pod.address] = _sum(known, traffic) if known else traffic
    found.lost += max(lost, 0)
    found.lost_errors += max(errors, 0)


def _of_pod(pod: PodFigures, then: PodFigures | None, seconds: float, bounds: Sequence[float]) -> Traffic:
    if then is not None and then.requests > pod.requests:
        then = None  # its address was given to another pod
    times, before = pod.response_seconds, then.response_seconds if then else None
    buckets = [
        value - (before.buckets[index] if before else 0)
        for index, value in enumerate(times.buckets[: len(bounds) + 1])
    ]
    return Traffic(
        seconds=seconds,
        timed=times.count - (before.count if before else 0),
        busy=max(times.sum - (before.sum if before else 0.0), 0.0),
        buckets=dict(zip((*bounds, inf), accumulate(buckets), strict=True)),
        requests=pod.requests - (then.requests if then else 0),
        errors=pod.errors - (then.errors if then else 0),
    )


def _sum(one: Traffic, other: Traffic) -> Traffic:
    return Traffic(
        one.seconds,
        one.timed + other.timed,
        one.busy + other.busy,
        {bound: count + other.buckets.get(bound, 0) for bound, count in one.buckets.items()},
        one.requests + other.requests,
        one.errors + other.errors,
    )
