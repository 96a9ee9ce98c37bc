"""What happens with the requests of a service: by the gateway before it, or else by its pods themselves."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import inf
from typing import Final

from ragops.api.autoscaling import MetricType
from ragops.metrics.endpoint import RECENT_SAMPLES, EndpointSource
from ragops.metrics.endpoint_readings import arrivals_of, error_rate, response_time
from ragops.metrics.gateway import GatewayFigures, Gateways, Look, PodFigures
from ragops.metrics.pod import Pod
from ragops.metrics.source import ENDPOINT_METRICS, Measured, Missing, MissingReason, ServiceId, Target
from ragops.metrics.traffic import Traffic
from ragops.scaling.sample import Reading, reading

FORGET_SECONDS: Final = 1200.0


@dataclass(frozen=True)
class _Count:
    """What one gateway has counted of one pod."""

    started: float
    """When that gateway's agent began to count."""
    figures: PodFigures | None


@dataclass(frozen=True)
class _Seen:
    """What all gateways have counted of one pod, at a time."""

    at: float
    counts: Mapping[str, _Count]
    """By uid of the gateway's pod."""


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
        traffics = [None if why else self._traffic(target, pod, look) for pod in pods]
        if why is None and pods and not any(traffics):
            why = Missing(MissingReason.FIRST_SCRAPE, "the first look at the gateway is to compare with")
        readings: dict[MetricType, Reading] = {}
        for metric in wanted:
            match metric.type:
                case MetricType.RESPONSE_TIME:
                    readings[metric.type] = response_time(metric, traffics)
                case MetricType.ERROR_RATE:
                    readings[metric.type] = error_rate(traffics)
                case MetricType.QUEUE_DEPTH:
                    queue = None if _silent(target.service, look) else _queue(target.service, look)
                    share = None if queue is None or not pods else queue / len(pods)
                    readings[metric.type] = reading([share for _ in pods])
        missing = {metric.type: why for metric in wanted} if why else {}
        return Measured(readings, arrivals_of(traffics) if target.arrivals else None, missing)

    def _traffic(self, target: Target, pod: Pod, look: Look) -> Traffic | None:
        """The requests to a pod since the look before, through all gateways."""
        name = target.service.name
        seen = _Seen(
            look.at, {uid: _Count(g.started_at, _of_pod(g, name, pod)) for uid, g in look.told.items()}
        )
        key = (target.service, pod.address or "")
        before = self._last.get(key)
        oldest = look.at - RECENT_SAMPLES * target.every.total_seconds()
        if before is not None and before.at == look.at:
            return None
        self._forget()
        self._last[key] = seen
        if before is None or before.at < oldest:
            return None
        bounds = next(iter(look.told.values())).bucket_bounds
        return _increase(before, seen, bounds)

    def _forget(self) -> None:
        oldest = self._clock() - FORGET_SECONDS
        self._last = {key: seen for key, seen in self._last.items() if seen.at >= oldest}


def _silent(service: ServiceId, look: Look) -> Missing | None:
    """A gateway that tells nothing, or not of this service, makes all of it unknown: a part of the requests
    would look like few."""
    for pod, error in sorted(look.silent.items()):
        return Missing(error.missing.reason, f"gateway pod {pod}: {error}")
    if not look.told or any(figures.service(service.name) is None for figures in look.told.values()):
        return Missing(MissingReason.NOT_EXPOSED, "the gateway does not know the service yet")
    return None


def _of_pod(figures: GatewayFigures, service: str, pod: Pod) -> PodFigures | None:
    found = figures.service(service)
    variants = found.variants if found else ()
    return next((p for v in variants for p in v.pods if p.address == pod.address), None)


def _queue(service: ServiceId, look: Look) -> int:
    found = (figures.service(service.name) for figures in look.told.values())
    return sum(one.queue for one in found if one is not None)


def _increase(before: _Seen, after: _Seen, bounds: Sequence[float]) -> Traffic:
    requests = errors = timed = 0
    busy, buckets = 0.0, [0] * (len(bounds) + 1)
    for uid, count in after.counts.items():
        now = count.figures
        if now is None:
            continue
        known = before.counts.get(uid)
        then = known.figures if known and known.started == count.started else None
        if then is not None and then.requests > now.requests:
            then = None  # the pod's address was given to another one, or its slot began anew
        requests += now.requests - (then.requests if then else 0)
        errors += now.errors - (then.errors if then else 0)
        timed += now.response_seconds.count - (then.response_seconds.count if then else 0)
        busy += now.response_seconds.sum - (then.response_seconds.sum if then else 0.0)
        for index, value in enumerate(now.response_seconds.buckets[: len(buckets)]):
            buckets[index] += value - (then.response_seconds.buckets[index] if then else 0)
    totals = accumulate(buckets)
    return Traffic(
        seconds=after.at - before.at,
        timed=timed,
        busy=max(busy, 0.0),
        buckets=dict(zip((*bounds, inf), totals, strict=True)),
        requests=requests,
        errors=errors,
    )
