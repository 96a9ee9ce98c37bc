"""A running cluster with simulated pods, on which cases are played side by side: each is a service of one
RAGDeployment."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.cluster.operator.space import Object, Space

from ragops.api.autoscaling import MetricType
from ragops.resources.quantity import parse_quantity

from .performance import Performance, loads

RAG: Final = "cases"
SELECTOR: Final = f"ragops.dev/rag={RAG}"
UNITS: Final = {MetricType.CPU: ("cpu", "m"), MetricType.MEMORY: ("memory", "Mi")}
"""Resource and unit of each metric. Every pod requests a hundred units: one is a per cent."""
SLACK_PERCENT: Final = 3
"""How far what the metrics API tells may be from what a pod was told to use: CPU is a rate over time."""


@dataclass
class Stage:
    """The namespace in which the cases are played."""

    space: Space
    performances: Sequence[Performance]
    watched: str = ""
    """Resource version up to which the RAGDeployment was watched."""

    def set_up(self) -> None:
        """Makes the services with their first replicas, and nobody who scales them."""
        fields = [{"replicas": p.case.start.replicas} for p in self.performances]
        self.space.apply_rag(self._services(fields), RAG)
        self.space.await_ready(RAG, timeout=90)

    def is_set(self) -> bool:
        """Every pod has the load of the first step, and the metrics API tells it."""
        pods, usage = self._pods(), self._usage()
        for performance in self.performances:
            self._load(performance, pods[performance.case.name])
        return all(_arrived(p, pods[p.case.name], usage) for p in self.performances)

    def begin(self) -> None:
        """Turns autoscaling on."""
        fields = [{"autoscaling": p.case.policy.to_wire()} for p in self.performances]
        self.watched = self.space.apply_rag(self._services(fields), RAG)["metadata"]["resourceVersion"]

    def play(self) -> bool:
        """About a second of all performances. Whether all are over."""
        for status in self._watch():
            for service in status.get("services", ()):
                if scaling := service.get("scaling"):
                    self._named(service["name"]).observe(scaling)
        pods, usage = self._pods(), self._usage()
        for performance in self.performances:
            own = pods.get(performance.case.name, [])
            self._prepare(performance, own)
            self._load(performance, own)
            performance.advance(_arrived(performance, own, usage), time.monotonic())
        return all(performance.is_over for performance in self.performances)

    def _services(self, fields: Sequence[Mapping[str, Any]]) -> list[Object]:
        asks = {"requests": {resource: f"100{unit}" for resource, unit in UNITS.values()}}
        return [
            {"name": p.case.name, "type": "Generation", "resources": asks, **own}
            for p, own in zip(self.performances, fields, strict=True)
        ]

    def _named(self, service: str) -> Performance:
        return next(p for p in self.performances if p.case.name == service)

    def _watch(self) -> Iterator[Object]:
        """Every status since the last call; a watch leaves none of them out."""
        path = f"/apis/ragops.dev/v1alpha1/namespaces/{self.space.namespace}/ragdeployments"
        parameters = {"watch": "true", "resourceVersion": self.watched, "timeoutSeconds": "1"}
        for event in self.space.watch(path, parameters):
            assert event["type"] == "MODIFIED", event
            self.watched = event["object"]["metadata"]["resourceVersion"]
            yield event["object"].get("status", {})

    def _pods(self) -> dict[str, list[Object]]:
        """The pods of each service that are not on their way out, the oldest first."""
        grouped: dict[str, list[Object]] = {}
        for pod in sorted(self.space.all_of("Pod", SELECTOR), key=_age):
            if "deletionTimestamp" not in pod["metadata"]:
                grouped.setdefault(pod["metadata"]["labels"]["ragops.dev/service"], []).append(pod)
        return grouped

    def _usage(self) -> dict[str, Object]:
        """What the metrics API tells, by pod."""
        listed = self.space.all_of("PodMetrics", SELECTOR)
        return {item["metadata"]["name"]: item["containers"][0]["usage"] for item in listed}

    def _prepare(self, performance: Performance, pods: Sequence[Object]) -> None:
        """What a person or a pod does before the sample of a step."""
        step = performance.to_prepare()
        if step is None:
            return
        if step.replicas is not None:
            scale = {"spec": {"replicas": step.replicas}}
            self.space.patch("Deployment", f"{RAG}-{performance.case.name}", scale, "scale")
        if step.ready is not None:
            unready = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
            for pod in pods[step.ready :]:
                self.space.patch_pod(pod, unready, "status", by="kubelet")

    def _load(self, performance: Performance, pods: Sequence[Object]) -> None:
        """Tells the pods what to use."""
        for pod, load in zip(pods, loads(performance.step, len(pods)), strict=True):
            wanted = {}
            for metric, percent in load.items():
                resource, unit = UNITS[metric]
                wanted[f"kwok.x-k8s.io/usage-{resource}"] = f"{percent:.0f}{unit}"
            if not wanted.items() <= pod["metadata"].get("annotations", {}).items():
                self.space.patch_pod(pod, {"metadata": {"annotations": wanted}})


def _arrived(performance: Performance, pods: Sequence[Object], usage: Mapping[str, Object]) -> bool:
    """Whether the metrics API tells the load of the current step, for each pod."""
    for pod, load in zip(pods, loads(performance.step, len(pods)), strict=True):
        told = usage.get(pod["metadata"]["name"])
        for metric, percent in load.items():
            resource, unit = UNITS[metric]
            if told is None or abs(_percent(told[resource], unit) - percent) > SLACK_PERCENT:
                return False
    return True


def _percent(amount: str, unit: str) -> float:
    return float(parse_quantity(amount) / parse_quantity(f"1{unit}"))


def _age(pod: Object) -> tuple[str, str]:
    return pod["metadata"]["creationTimestamp"], pod["metadata"]["name"]
