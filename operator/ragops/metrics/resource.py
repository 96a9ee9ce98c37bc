"""Readings from the resource metrics API (metrics.k8s.io): CPU and memory in per cent of requests.

Source: Kubernetes documentation, Resource metrics pipeline.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ragops.api.autoscaling import MetricType
from ragops.resources.quantity import parse_quantity
from ragops.scaling.window import Reading, reading

STALE_AFTER: Final = timedelta(seconds=90)
"""Older measurements are missing ones. metrics-server measures every 15 to 60 seconds."""

_RESOURCE: Final = {MetricType.CPU: "cpu", MetricType.MEMORY: "memory"}


@dataclass(frozen=True)
class PodRequest:
    """A ready pod, and what it requests of each resource (cores, bytes); limits where there is no request."""

    name: str
    amounts: Mapping[str, float]


def pod_request(pod: Mapping[str, Any]) -> PodRequest:
    """Reads a Pod object. A resource that any container leaves out has no amount for the pod."""
    containers = pod["spec"]["containers"]
    amounts = {}
    for resource in _RESOURCE.values():
        values = [_amount(container, resource) for container in containers]
        if None not in values:
            amounts[resource] = sum(value for value in values if value is not None)
    return PodRequest(pod["metadata"]["name"], amounts)


def readings(
    items: Iterable[Mapping[str, Any]], pods: Sequence[PodRequest], now: datetime
) -> dict[MetricType, Reading]:
    """CPU and Memory over the ready `pods`, from PodMetrics `items`, in per cent of requests."""
    usage = {
        item["metadata"]["name"]: item
        for item in items
        if now - datetime.fromisoformat(item["timestamp"]) <= STALE_AFTER
    }
    return {
        metric: reading([_percent(usage.get(pod.name), pod, resource) for pod in pods])
        for metric, resource in _RESOURCE.items()
    }


def _percent(item: Mapping[str, Any] | None, pod: PodRequest, resource: str) -> float | None:
    requested = pod.amounts.get(resource)
    if item is None or not requested:
        return None
    used = sum(float(parse_quantity(container["usage"][resource])) for container in item["containers"])
    return 100 * used / requested


def _amount(container: Mapping[str, Any], resource: str) -> float | None:
    resources = container.get("resources") or {}
    for source in ("requests", "limits"):
        if (text := (resources.get(source) or {}).get(resource)) is not None:
            return float(parse_quantity(str(text)))
    return None
