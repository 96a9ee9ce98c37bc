"""A ready pod, as the sources of samples see it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
    amounts: Mapping[str, float] = field(default_factory=dict)
    unbounded: Mapping[str, str] = field(default_factory=dict)
    """By resource that has no amount: the first container with neither a request nor a limit."""


def read_pod(obj: Mapping[str, Any]) -> Pod:
    """Reads a Pod object. A resource that any container leaves out has no amount for the pod."""
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
        amounts=amounts,
        unbounded=unbounded,
    )


def _sidecars(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Init containers that go on running: they are measured like the others."""
    return (c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always")


def _amount(container: Mapping[str, Any], resource: str) -> float | None:
    resources = container.get("resources") or {}
    for source in ("requests", "limits"):
        if (text := (resources.get(source) or {}).get(resource)) is not None:
            return float(parse_quantity(str(text)))
    return None
