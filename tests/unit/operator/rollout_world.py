"""A world whose Deployments replace their pods one by one, and in which a pass may be killed after any write.

After each write and each pod that comes or goes it checks that the Service has as many ready pods behind it
as are wanted.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from tests.unit.operator.world import IMAGES, World, rag_of

from ragops.api.rag import RAGDeployment
from ragops.api.status import RAGStatus, RolloutStatus
from ragops.orchestration.actions import Plan
from ragops.orchestration.observation import Observation, PodView
from ragops.orchestration.plan import plan
from ragops.resources.child import ChildRef, Manifest
from ragops.resources.variant import traffic_of, variant_of

OWN = "demo-generation"
CANDIDATE = "demo-generation-candidate"


def generation(image: str = "v1", **fields: Any) -> list[dict[str, Any]]:
    """One service, with two replicas."""
    return [{"name": "generation", "type": "Generation", "image": image, "replicas": 2, **fields}]


@dataclass
class RolloutWorld(World):
    """Images named `bad...` never get ready. `broken` ones stop being ready when they are named. A pod whose
    image ends in `?` is not ready, and nothing tells why.
    """

    running: dict[str, list[str]] = field(default_factory=dict)
    """By Deployment: the images of its pods, the older first."""
    late: set[str] = field(default_factory=set)
    """Deployments whose new pods do not get ready by themselves."""
    room: int = 1000
    """Pods that the quota lets be."""
    cramped: set[str] = field(default_factory=set)
    """Deployments that it keeps from making a pod."""
    broken: set[str] = field(default_factory=set)
    capacity: int = 0
    """Ready pods that the Service must have behind it from now on."""
    refused: str = ""
    """A kind of objects that the API server takes no write of."""
    served: set[str] = field(default_factory=set)
    """Images that have had requests."""

    @classmethod
    def at_rest(cls, services: list[dict[str, Any]], capacity: int = 2) -> "RolloutWorld":
        """All is ready, and the first version is recorded."""
        world = cls(rag_of(services))
        world.settle()
        world.capacity = capacity
        return world

    def command(self, service: str, text: str) -> None:
        """What `kubectl rag rollout` leaves on the RAGDeployment."""
        annotations = {f"rollout.ragops.dev/{service}": text}
        metadata = self.rag.metadata.model_copy(update={"annotations": annotations})
        self.rag = self.rag.model_copy(update={"metadata": metadata})

    def change(self, services: list[dict[str, Any]], **spec: Any) -> None:
        """Another spec, as a new generation."""
        generation = {"generation": self.rag.metadata.generation + 1}
        metadata = self.rag.metadata.model_copy(update=generation)
        changed = {"spec": rag_of(services, **spec).spec, "metadata": metadata}
        self.rag = self.rag.model_copy(update=changed)

    def settle(self, limit: int = 60) -> None:
        """Passes, a second each, until nothing is written and no pod moves. A Deployment replaces a pod a
        second."""
        for _ in range(limit):
            moved = self.tick()
            if self.step().quiet and not moved:
                return
        raise AssertionError("it never settles")

    def until(self, phase: str | None, limit: int = 200) -> None:
        """Passes until the rollout of `generation` is in this phase."""
        for _ in range(limit):
            if self.phase == phase:
                return
            self.tick()
            self.step()
        raise AssertionError(f"{phase} never came: {self.rollout}")

    def step(self, seconds: float = 1, killed_after: int | None = None) -> Plan:
        """One pass, ended after so many of its writes."""
        seen = Observation(
            children=dict(self.children),
            pods=tuple(self._pods()),
            windows=self.windows,
            memory=self.last.health,
            evidence=self.evidence,
            comparisons=self.comparisons,
        )
        self.last = plan(self.rag, seen, IMAGES, self.now)
        for write in list(self._writes(self.last))[:killed_after]:
            write()
            self.check()
        if killed_after is not None:
            self.last = Plan()  # what the process remembered
        self.now += timedelta(seconds=seconds)
        return self.last

    def tick(self) -> bool:
        """The controllers replace a pod of each Deployment, and tell. Returns whether anything moved."""
        moved = False
        for ref, obj in self.children.items():
            if ref.kind == "Deployment":
                moved |= self._replace_one(obj)
                moved |= self._tell(obj)
                self.check()
        for gone in self.running.keys() - {ref.name for ref in self.children}:
            del self.running[gone]
        return moved

    def check(self) -> None:
        """Enough ready pods have the requests."""
        serving = self.serving()
        assert len(serving) >= self.capacity, (serving, self.running, self.rollout)
        self.served |= set(serving)

    def serving(self) -> list[str]:
        """Images of the ready pods behind the Service."""
        service = self.children.get(ChildRef("v1", "Service", OWN))
        if service is None:
            return []
        traffic = traffic_of(service)
        return [
            image
            for ref, obj in self.children.items()
            if ref.kind == "Deployment" and traffic.reaches(variant_of(_labels(obj)))
            for image in self.running.get(ref.name, [])
            if self._ready(image)
        ]

    @property
    def rollout(self) -> RolloutStatus | None:
        """The rollout of `generation`."""
        return self.service("generation").rollout

    @property
    def phase(self) -> str | None:
        """Its phase."""
        return self.rollout.phase.value if self.rollout else None

    @property
    def versions(self) -> tuple[str | None, str | None]:
        """Images of the stable version and of the one before it."""
        status = self.service("generation")
        return tuple(v.spec["image"] if v else None for v in (status.stable, status.previous))  # type: ignore[return-value]

    def replicas(self, name: str) -> int | None:
        """spec.replicas of a Deployment; None where there is none."""
        obj = self.children.get(ChildRef("apps/v1", "Deployment", name))
        return obj["spec"]["replicas"] if obj else None

    def _writes(self, todo: Plan) -> Iterator[Callable[[], None]]:
        for apply in todo.applies:
            if apply.ref.kind != self.refused:
                yield partial(self._store, apply.manifest)
        for delete in todo.deletes:
            yield partial(self._delete_unused, delete.ref)
        for scale in todo.scales:
            yield partial(self._scale, scale.ref, scale.decision.desired)
        if todo.status is not None:
            yield partial(self._record, todo.status)

    def _delete_unused(self, ref: ChildRef) -> None:
        variant = variant_of(_labels(self.children[ref]))
        service = self.children.get(ChildRef("v1", "Service", OWN))
        assert not traffic_of(service).reaches(variant), f"{ref} has requests"
        self._delete(ref)

    def _delete(self, ref: ChildRef) -> None:
        del self.children[ref]
        self.running.pop(ref.name, None)

    def _record(self, status: RAGStatus) -> None:
        stored = RAGStatus.model_validate(status.to_wire())
        self.rag: RAGDeployment = self.rag.model_copy(update={"status": stored})

    def _replace_one(self, obj: Manifest) -> bool:
        """As with either of maxSurge and maxUnavailable 1, and the other 0."""
        image, wanted = _image(obj), obj["spec"]["replicas"]
        name = obj["metadata"]["name"]
        pods = self.running.setdefault(name, [])
        before = list(pods)
        self.cramped.discard(name)
        surge = 1 if obj["spec"]["strategy"]["rollingUpdate"]["maxSurge"] else 0
        new = [p for p in pods if _made_from(p) == image]
        ready = sum(map(self._ready, pods))
        free = [p for p in pods if not self._ready(p) or ready > wanted - 1 + surge]
        old = [p for p in free if _made_from(p) != image]
        if len(pods) >= wanted + surge and (gone := old or (free if len(new) > wanted else [])):
            pods.remove(min(gone, key=self._ready))
        elif len(new) < wanted and len(pods) < wanted + surge:
            if sum(map(len, self.running.values())) >= self.room:
                self.cramped.add(name)
            else:
                pods.append(f"{image}?" if name in self.late else image)
        return pods != before

    def _tell(self, obj: Manifest) -> bool:
        name, before = obj["metadata"]["name"], obj.get("status")
        pods = self.running[name]
        refusal = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small, used"}
        obj["status"] = {
            "observedGeneration": obj["metadata"]["generation"],
            "replicas": len(pods),
            "updatedReplicas": [_made_from(pod) for pod in pods].count(_image(obj)),
            "readyReplicas": sum(map(self._ready, pods)),
            "conditions": [refusal] if name in self.cramped else [],
        }
        return bool(obj["status"] != before)

    def _pods(self) -> Iterator[PodView]:
        for ref, obj in self.children.items():
            for number, image in enumerate(
                self.running.get(ref.name, []) if ref.kind == "Deployment" else []
            ):
                crashing = image in self.broken
                yield PodView(
                    name=f"{ref.name}-{number}",
                    service=obj["metadata"]["labels"]["ragops.dev/service"],
                    ready=self._ready(image),
                    terminating=False,
                    waiting_reason="CrashLoopBackOff" if crashing else None,
                    variant=variant_of(_labels(obj)),
                    uid=f"{ref.name}-{number}-{image}",
                )

    def _ready(self, image: str) -> bool:
        return not image.startswith("bad") and image not in self.broken and not image.endswith("?")


def _made_from(pod: str) -> str:
    return pod.removesuffix("?")


def _image(obj: Manifest) -> str:
    image: str = obj["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def _labels(obj: Manifest) -> Mapping[str, str]:
    labels: Mapping[str, str] = obj["spec"]["template"]["metadata"]["labels"]
    return labels
