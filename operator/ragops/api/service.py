"""spec.services[]: one service of a RAG system."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field
from pydantic.alias_generators import to_camel, to_snake

from ragops.api.autoscaling import AutoscalingSpec
from ragops.api.base import (
    ENV_NAME,
    IMAGE,
    Model,
    ObjectName,
    Quantity,
    SecretKeyRef,
    ServiceName,
    ServiceType,
)
from ragops.api.blocks import (
    APISpec,
    DocumentsSpec,
    EmbeddingsSpec,
    GenerationSpec,
    RetrievalSpec,
    VectorStoreSpec,
)
from ragops.api.health import HealthSpec
from ragops.api.rules import Fault, ListMap, Rule, at_least, compare
from ragops.api.traffic import LoadBalancingSpec, RolloutSpec


class ResourceList(Model):
    """Amounts of compute resources."""

    cel: ClassVar = (
        Rule(
            at_least("cpu", 0.001),
            "must be at least 1m, a thousandth of a core; give more, or leave it out",
            at="cpu",
        ),
        Rule(
            at_least("memory", 2**20),
            "must be at least 1Mi; give a unit, such as 512Mi (none means bytes, m thousandths)",
            at="memory",
        ),
    )

    cpu: Quantity | None = None
    """CPU cores, such as 250m or 2."""
    memory: Quantity | None = None
    """Memory in bytes, such as 512Mi or 2Gi."""
    gpu: Annotated[int, Field(ge=0, le=64)] | None = None
    """Whole NVIDIA GPUs (nvidia.com/gpu)."""


class ResourcesSpec(Model):
    """Compute resources of each pod of the service."""

    cel: ClassVar = (
        *(
            Rule(
                f"!has(self.requests) || !has(self.limits) || !has(self.requests.{resource}) || "
                f"!has(self.limits.{resource}) || "
                f"{compare(f'self.requests.{resource}', '<=', f'self.limits.{resource}')}",
                f"must not be more than limits.{resource}; lower the request or raise the limit",
                at=f"requests.{resource}",
            )
            for resource in ("cpu", "memory")
        ),
        Rule(
            "!has(self.requests) || !has(self.limits) || !has(self.requests.gpu) || !has(self.limits.gpu) || "
            "self.requests.gpu == self.limits.gpu",
            "must be the same as limits.gpu, since GPUs cannot be shared; give only one of the two",
            at="requests.gpu",
        ),
    )

    requests: ResourceList | None = None
    """What the scheduler reserves; CPU and Memory metrics are per cent of it."""
    limits: ResourceList | None = None
    """What a pod may use at most."""


class EnvVar(Model):
    """One environment variable: a value, or a key of a Secret."""

    cel: ClassVar = (
        Rule(
            "has(self.value) != has(self.secretKeyRef)",
            "must have exactly one of value and secretKeyRef; add one or remove one",
        ),
        Rule(
            "!self.name.startsWith('RAGOPS_')",
            "must not begin with RAGOPS_, which the operator sets; use the typed fields of the service, or "
            "another name",
            at="name",
            fault=Fault.FORBIDDEN,
        ),
    )

    name: Annotated[str, Field(pattern=ENV_NAME, max_length=128)]
    """Name of the variable. Names that begin with RAGOPS_ are set by the operator."""
    value: Annotated[str, Field(max_length=32_768)] | None = None
    """The value."""
    secret_key_ref: SecretKeyRef | None = None
    """Takes the value from a Secret of the same namespace."""


class Dependency(Model):
    """Another service of the same RAGDeployment that this one needs."""

    name: ServiceName
    """Name of the other service."""
    required: bool = True
    """Required: this service starts only once the other is ready. Optional ones never delay the start."""


class ServiceStartup(Model):
    """The first start of a service."""

    timeout_seconds: Annotated[int, Field(ge=5, le=86_400)] = 300
    """Seconds from creating the workload until the service must be ready; after that it is recorded as
    failed, with the reason. A service that comes up later is taken in."""


class ReclaimPolicy(StrEnum):
    """What happens to a volume when its service or RAGDeployment is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class StorageSpec(Model):
    """The volume of a VectorStore. Size and class are fixed once the volume exists."""

    cel: ClassVar = (
        Rule(
            at_least("size", 256 * 2**20),
            "must be at least 256Mi, which PostgreSQL needs for itself; give a unit, such as 10Gi",
            at="size",
        ),
    )

    size: Quantity = "10Gi"
    """Size of the volume."""
    storage_class_name: ObjectName | None = None
    """StorageClass; the cluster's default one where left out."""
    reclaim: ReclaimPolicy = ReclaimPolicy.RETAIN
    """Retain keeps the volume when the service is removed or the RAGDeployment deleted; Delete removes it."""


BLOCKS: Final[dict[ServiceType, str]] = {
    ServiceType.VECTOR_STORE: "vector_store",
    ServiceType.EMBEDDINGS: "embeddings",
    ServiceType.DOCUMENT_PROCESSOR: "documents",
    ServiceType.RETRIEVAL: "retrieval",
    ServiceType.GENERATION: "generation",
    ServiceType.ORCHESTRATION_API: "api",
}
"""The field of ServiceSpec with the settings of each type."""


def _only_for(service_type: ServiceType, block: str, mend: str) -> Rule:
    return Rule(
        f"!has(self.{block}) || self.type == '{service_type}'",
        f"is only for type {service_type}{mend}",
        at=block,
        fault=Fault.FORBIDDEN,
    )


def _not_for_vector_store(path: str, why: str) -> Rule:
    return Rule(
        f"self.type != 'VectorStore' || !has(self.{path})",
        f"is not for {why}",
        at=path,
        fault=Fault.FORBIDDEN,
    )


def _storage(service: str, field: str) -> str:
    """The value in force in CEL: a VectorStore without the block, or the field, has the default."""
    default = getattr(StorageSpec(), to_snake(field)) or ""
    there = f"has({service}.storage) && has({service}.storage.{field})"
    return f"({there} ? {service}.storage.{field} : '{default}')"


class ServiceSpec(Model):
    """One service of the RAG system."""

    cel: ClassVar = (
        *(
            _only_for(service_type, to_camel(block), "; remove the block")
            for service_type, block in BLOCKS.items()
        ),
        _only_for(ServiceType.VECTOR_STORE, "storage", ", which alone has a volume; remove the block"),
        _not_for_vector_store("autoscaling", "a VectorStore, which is one pod; remove the block"),
        _not_for_vector_store("loadBalancing", "a VectorStore, which is one pod; remove the block"),
        _not_for_vector_store("health.path", "a VectorStore, which is asked by pg_isready; remove it"),
        _not_for_vector_store("health.check.path", "a VectorStore, which does not speak HTTP; remove it"),
        _not_for_vector_store(
            "health.maxResponseTimeMs", "a VectorStore, whose requests are not measured; remove it"
        ),
        _not_for_vector_store(
            "health.maxErrorPercent", "a VectorStore, whose requests are not measured; remove it"
        ),
        Rule(
            "self.type != 'VectorStore' || self.rollout.strategy == 'RollingUpdate'",
            "must be RollingUpdate for a VectorStore, whose volume cannot serve two versions",
            at="rollout.strategy",
        ),
        Rule(
            "self.type != 'VectorStore' || !has(self.replicas) || self.replicas <= 1",
            "must be 0 or 1 for a VectorStore, which is one pod; lower it or leave it out",
            at="replicas",
        ),
        Rule(
            "self.type != 'VectorStore' || "
            "!self.env.exists(e, e.name.startsWith('POSTGRES_') || e.name == 'PGDATA')",
            "must not name POSTGRES_* or PGDATA in a VectorStore, which the operator sets; remove them",
            at="env",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.replicas) || !has(self.autoscaling) || self.autoscaling.mode == 'External'",
            "must not be set together with autoscaling, which owns it; remove replicas and set "
            "autoscaling.minReplicas and maxReplicas, or remove autoscaling",
            at="replicas",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.dependsOn) || self.dependsOn.all(d, d.name != self.name)",
            "must not name the service itself; remove that entry",
            at="dependsOn",
        ),
        Rule(
            "self.type == oldSelf.type",
            "cannot be changed; set it back, or add a service with another name and remove this one",
            at="type",
        ),
        Rule(
            compare(_storage("self", "size"), "==", _storage("oldSelf", "size")),
            "cannot be changed once the volume exists; set it back",
            at="storage.size",
        ),
        Rule(
            f"{_storage('self', 'storageClassName')} == {_storage('oldSelf', 'storageClassName')}",
            "cannot be changed once the volume exists; set it back",
            at="storage.storageClassName",
        ),
    )

    name: ServiceName
    """Name of the service, unique in this RAGDeployment. Kubernetes objects are named <rag>-<name>."""
    type: ServiceType
    """What the service does; decides image, workload and default dependencies."""
    image: Annotated[str, Field(pattern=IMAGE, max_length=512)] | None = None
    """Container image. Default: the image of this type that the operator was installed with."""
    replicas: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Number of pods. Left out: owned by autoscaling, an HPA, or `kubectl scale`; begins with 1."""
    resources: ResourcesSpec | None = None
    """Compute resources of each pod. Default by type."""
    env: Annotated[list[EnvVar], Field(max_length=64), ListMap("name")] = []
    """Further environment variables of the container."""
    depends_on: Annotated[list[Dependency] | None, Field(max_length=31), ListMap("name")] = None
    """What must be ready before this service starts. Default by type; an empty list means nothing."""
    startup: ServiceStartup = ServiceStartup()
    """The first start."""
    health: HealthSpec = HealthSpec()
    """When a pod counts as ready, and the service as healthy."""
    autoscaling: AutoscalingSpec | None = None
    """Scaling of the replicas. Not for VectorStore."""
    load_balancing: LoadBalancingSpec | None = None
    """Settings of the gateway for this service; without the gateway they have no effect."""
    rollout: RolloutSpec = RolloutSpec()
    """How a new version replaces the old one."""
    storage: StorageSpec | None = None
    """The volume. Only for VectorStore, which has one of 10Gi by default."""
    embeddings: EmbeddingsSpec | None = None
    """Only for type Embeddings."""
    documents: DocumentsSpec | None = None
    """Only for type DocumentProcessor."""
    retrieval: RetrievalSpec | None = None
    """Only for type Retrieval."""
    generation: GenerationSpec | None = None
    """Only for type Generation."""
    vector_store: VectorStoreSpec | None = None
    """Only for type VectorStore."""
    api: APISpec | None = None
    """Only for type OrchestrationAPI."""
