"""A ready pod, as the sources of samples see it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from ragops.api.autoscaling import MetricType
from ragops.orchestration.observation import pod_view
from ragops.resources.quantity import parse_quantity

RESOURCES: Final = {MetricType.CPU: "cpu", MetricType.MEMORY: "memory"}
"""Kubernetes' names of the resources that are measured."""


@dataclass(frozen=True)
class Pod:
    """A ready pod, and what it requests of each resource (cores, bytes); limits where there is no request."""

    name: str
    namespace: str = ""
    uid: str = ""
    address: str | None = None
    """Its IP, of either family."""
    restarts: int = 0
    """How often its containers were started again: counters begin anew then."""
    start_seconds: float | None = None
    """From its creation until it was ready; None where that took longer than a start may take."""
    amounts: Mapping[str, float] = field(default_factory=dict)
    unbounded: Mapping[str, str] = field(default_factory=dict)
    """By resource that has no amount: the first container with neither a request nor a limit."""


def read_pod(obj: Mapping[str, Any], start_limit: float) -> Pod:
    """Reads the object of a ready Pod, whose start may take `start_limit` seconds.

    A resource that any container leaves out has no amount for the pod.
    """
    containers = [*obj["spec"]["containers"], *_sidecars(obj["spec"])]
    amounts, unbounded = {}, {}
    for resource in RESOURCES.values():
        values = {container["name"]: _amount(container, resource) for container in containers}
        if missing := [name for name, value in values.items() if value is None]:
            unbounded[resource] = missing[0]
        elif total := sum(value for value in values.values() if value is not None):
            amounts[resource] = total
        else:
            unbounded[resource] = next(iter(values))
    return Pod(
        name=obj["metadata"]["name"],
        namespace=obj["metadata"].get("namespace", ""),
        uid=obj["metadata"].get("uid", ""),
        address=(obj.get("status") or {}).get("podIP"),
        restarts=pod_view(obj).restarts,
        start_seconds=_start_seconds(obj, start_limit),
        amounts=amounts,
        unbounded=unbounded,
    )


def _start_seconds(obj: Mapping[str, Any], limit: float) -> float | None:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    ready = next((c.get("lastTransitionTime") for c in conditions if c["type"] == "Ready"), None)
    created = obj["metadata"].get("creationTimestamp")
    if ready is None or created is None:
        return None
    seconds = (datetime.fromisoformat(ready) - datetime.fromisoformat(created)).total_seconds()
    return seconds if 0 <= seconds <= limit else None


def _sidecars(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Init containers that go on running: they are measured like the others."""
    return (c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")


def _amount(container: Mapping[str, Any], resource: str) -> float | None:
    resources = container.get("resources") or {}
    for source in ("requests", "limits"):
        if (text := (resources.get(source) or {}).get(resource)) is not None:
            return float(parse_quantity(str(text)))
    return None
