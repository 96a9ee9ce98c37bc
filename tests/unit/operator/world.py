"""A cluster in memory for tests of pure functions: children as the API server stores them, and a clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ragops.api.defaults import resolve
from ragops.api.rag import RAGDeployment
from ragops.api.status import RAGStatus, ServiceStatus
from ragops.api.validation import parse
from ragops.gateway.files import Usage
from ragops.health.assess import Evidence
from ragops.orchestration.actions import Plan
from ragops.orchestration.analysis import Comparison
from ragops.orchestration.observation import ApplyFailure, GatewayReport, Observation, PodView
from ragops.orchestration.owners import ForeignScaler
from ragops.orchestration.plan import plan
from ragops.resources.child import ChildRef, Manifest, ref_of
from ragops.resources.pod import Images
from ragops.scaling.window import Window

START = datetime(2026, 1, 1, tzinfo=UTC)
IMAGES = Images(services="services:1", postgres="postgres:1", haproxy="haproxy:1", operator="operator:1")
SIX = [
    {"name": "vector-store", "type": "VectorStore"},
    {"name": "embeddings", "type": "Embeddings"},
    {"name": "documents", "type": "DocumentProcessor"},
    {"name": "retrieval", "type": "Retrieval"},
    {"name": "generation", "type": "Generation"},
    {"name": "api", "type": "OrchestrationAPI"},
]


def rag_of(services: list[dict[str, Any]], **spec: Any) -> RAGDeployment:
    """A resolved RAGDeployment named `demo`."""
    return resolve(
        parse(
            {
                "apiVersion": "ragops.dev/v1alpha1",
                "kind": "RAGDeployment",
                "metadata": {"name": "demo", "namespace": "default", "uid": "uid-1", "generation": 1},
                "spec": {"services": services, **spec},
            }
        )
    )


def six(**changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The six services, with changes by name (underscores for hyphens)."""
    return [{**service, **changes.get(service["name"].replace("-", "_"), {})} for service in SIX]


@dataclass
class World:
    """Runs passes against objects in memory."""

    rag: RAGDeployment
    now: datetime = START
    children: dict[ChildRef, Manifest] = field(default_factory=dict)
    pods: list[PodView] = field(default_factory=list)
    windows: dict[str, Window] = field(default_factory=dict)
    failures: dict[str, ApplyFailure] = field(default_factory=dict)
    scalers: tuple[ForeignScaler, ...] = ()
    evidence: dict[str, Evidence] = field(default_factory=dict)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    gateways: dict[str, GatewayReport] = field(default_factory=dict)
    usage: dict[str, dict[str, Usage]] = field(default_factory=dict)
    last: Plan = field(default_factory=Plan)

    def step(self, seconds: float = 1) -> Plan:
        """One pass: the plan is carried out, then time moves on."""
        seen = Observation(
            children=dict(self.children),
            pods=tuple(self.pods),
            windows=self.windows,
            failures=self.failures,
            scalers=self.scalers,
            evidence=self.evidence,
            memory=self.last.health,
            comparisons=self.comparisons,
            gateways=self.gateways,
            usage=self.usage,
        )
        self.last = plan(self.rag, seen, IMAGES, self.now)
        for apply in self.last.applies:
            self._store(apply.manifest)
        for delete in self.last.deletes:
            del self.children[delete.ref]
        for scale in self.last.scales:
            self._scale(scale.ref, scale.decision.desired)
        if self.last.status is not None:
            # What the API server stores is the JSON form.
            stored = RAGStatus.model_validate(self.last.status.to_wire())
            self.rag = self.rag.model_copy(update={"status": stored})
        self.now += timedelta(seconds=seconds)
        return self.last

    def make_ready(self, *services: str, ready: int | None = None) -> None:
        """The workloads' controllers report ready pods: all wanted ones, or `ready`."""
        for service in services:
            obj = self.workload(service)
            wanted = obj["spec"]["replicas"]
            count = wanted if ready is None else ready
            obj["status"] = {
                "observedGeneration": obj["metadata"]["generation"],
                "replicas": wanted,
                "updatedReplicas": wanted,
                "readyReplicas": count,
            }

    def workload(self, service: str) -> Manifest:
        """The Deployment or StatefulSet of a service. Raises StopIteration when it does not exist."""
        return next(
            obj
            for ref, obj in self.children.items()
            if ref.name == f"demo-{service}" and ref.kind in ("Deployment", "StatefulSet")
        )

    def service(self, name: str) -> ServiceStatus:
        """The status of one service."""
        return next(service for service in self.rag.status.services if service.name == name)

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next(c for c in self.rag.status.conditions if c.type == kind)
        return found.status, found.reason

    def started(self) -> set[str]:
        """Services that have a workload."""
        return {
            ref.name.removeprefix("demo-")
            for ref in self.children
            if ref.kind in ("Deployment", "StatefulSet")
        }

    def _store(self, manifest: Manifest) -> None:
        ref = ref_of(manifest)
        old = self.children.get(ref)
        obj: Manifest = {**manifest, "metadata": dict(manifest["metadata"])}
        if "spec" in manifest:
            obj["spec"] = dict(manifest["spec"])
        if old and ref.kind == "Deployment":
            assert manifest["spec"]["selector"] == old["spec"]["selector"], "the API server refuses that"
        generation = old["metadata"]["generation"] + 1 if old else 1
        obj["metadata"] |= {
            "uid": f"uid-{ref}",
            "generation": generation,
            "creationTimestamp": old["metadata"]["creationTimestamp"] if old else self.now.isoformat(),
        }
        if ref.kind in ("Deployment", "StatefulSet"):
            obj["spec"].setdefault("replicas", old["spec"]["replicas"] if old else 1)
            obj["status"] = old["status"] if old else {}
        self.children[ref] = obj

    def _scale(self, ref: ChildRef, replicas: int) -> None:
        self.children[ref]["spec"]["replicas"] = replicas
        self.children[ref]["metadata"]["generation"] += 1
