"""Readings from the resource metrics API (metrics.k8s.io): CPU and memory in per cent of requests.

Source: Kubernetes documentation, Resource metrics pipeline.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ragops.api.autoscaling import MetricType
from ragops.api.names import MANAGED_SELECTOR
from ragops.cluster.errors import ClusterError, NotServedError
from ragops.cluster.protocol import Cluster, Object
from ragops.gateway.files import Usage
from ragops.metrics.pod import RESOURCES, Pod
from ragops.metrics.source import ANSWER_SECONDS, Measured, Missing, MissingReason, Target
from ragops.resources.quantity import parse_quantity
from ragops.scaling.sample import reading

logger = logging.getLogger(__name__)

STALE_AFTER: Final = timedelta(seconds=90)
"""Older measurements are missing ones. metrics-server measures every 15 to 60 seconds."""


class ResourceSource:
    """CPU and Memory. Services of a namespace that ask at the same time share one list request."""

    name = "resource"

    def __init__(self, cluster: Cluster, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._cluster = cluster
        self._clock = clock
        self._lists: dict[str, asyncio.Task[Sequence[Object]]] = {}

    async def measure(self, target: Target, pods: Sequence[Pod]) -> Measured:
        """See Source."""
        metrics = [metric.type for metric in target.wanted(tuple(RESOURCES))]
        if not metrics:
            return Measured()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                items = await self._list(target.service.key.namespace)
        except NotServedError as error:
            return _nothing(metrics, pods, Missing(MissingReason.NOT_CONFIGURED, error.message))
        except ClusterError as error:
            why = f"the resource metrics API answers {error.reason}"
            return _nothing(metrics, pods, Missing(MissingReason.REFUSED, why))
        except TimeoutError:
            why = "the resource metrics API does not answer"
            return _nothing(metrics, pods, Missing(MissingReason.TIMEOUT, why))
        return measured(items, metrics, pods, self._clock())

    async def shares(self, namespace: str, pods: Sequence[Pod]) -> dict[str, Usage]:
        """What each of the pods uses of its requests, by address, of those of which anything is known.
        Nothing where the API does not answer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                items = await self._list(namespace)
        except (ClusterError, TimeoutError) as error:
            logger.debug("no usage of the pods of %s: %r", namespace, error)
            return {}
        now = self._clock()
        usage = {name: used for item in items for name, used in _recent(item, now)}
        found = ((pod.address, _share(usage.get(pod.name), pod)) for pod in pods)
        return {address: share for address, share in found if address and share != Usage(None, None)}

    async def _list(self, namespace: str) -> Sequence[Object]:
        if (task := self._lists.get(namespace)) is None:
            task = asyncio.create_task(self._cluster.pod_metrics(namespace, MANAGED_SELECTOR))
            self._lists[namespace] = task
            task.add_done_callback(lambda _: self._lists.pop(namespace))
        # One that gives up must not take the list from the others.
        return await asyncio.shield(task)


def measured(
    items: Iterable[Mapping[str, Any]], metrics: Sequence[MetricType], pods: Sequence[Pod], now: datetime
) -> Measured:
    """`metrics` over the ready `pods`, from PodMetrics `items`, in per cent of requests."""
    usage = {name: used for item in items for name, used in _recent(item, now)}
    readings, missing = {}, {}
    for metric in metrics:
        found = [_percent(usage.get(pod.name), pod, metric) for pod in pods]
        readings[metric] = reading([value if isinstance(value, float) else None for value in found])
        if whys := [value for value in found if isinstance(value, Missing)]:
            missing[metric] = whys[0]
    return Measured(readings, missing=missing)


def _recent(item: Mapping[str, Any], now: datetime) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The pod of a PodMetrics and what it uses of each resource; nothing of an old or malformed one, whose
    server is an extension of the API that anybody may have written."""
    try:
        if now - datetime.fromisoformat(item["timestamp"]) <= STALE_AFTER:
            yield (
                item["metadata"]["name"],
                {
                    resource: float(sum(parse_quantity(c["usage"][resource]) for c in item["containers"]))
                    for resource in RESOURCES.values()
                    if item["containers"] and all(resource in c["usage"] for c in item["containers"])
                },
            )
    except (KeyError, TypeError, ValueError) as error:
        logger.debug("a PodMetrics that cannot be read: %r", error)


def _share(usage: Mapping[str, float] | None, pod: Pod) -> Usage:
    cpu, memory = (_percent(usage, pod, metric) for metric in (MetricType.CPU, MetricType.MEMORY))
    known = (value / 100 if isinstance(value, float) else None for value in (cpu, memory))
    return Usage(*known)


def _percent(usage: Mapping[str, float] | None, pod: Pod, metric: MetricType) -> float | Missing:
    resource = RESOURCES[metric]
    if not (requested := pod.amounts.get(resource)):
        what = f"container {pod.unbounded.get(resource, '')} of pod {pod.name}"
        noun = "CPU" if metric is MetricType.CPU else "memory"
        return Missing(MissingReason.NO_REQUEST, f"{what} has neither a {noun} request nor a limit")
    if usage is None or resource not in usage:
        return Missing(MissingReason.STALE, f"the resource metrics API has nothing of late of pod {pod.name}")
    return 100 * usage[resource] / requested


def _nothing(metrics: Iterable[MetricType], pods: Sequence[Pod], why: Missing) -> Measured:
    none = reading([None] * len(pods))
    return Measured(dict.fromkeys(metrics, none), missing=dict.fromkeys(metrics, why))
