"""All children of one service, in the order in which they are applied."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ragops.api.base import ServiceType
from ragops.api.names import candidate_name, child_name
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.resources.child import ChildRef, Manifest
from ragops.resources.deployment import build_candidate, build_deployment
from ragops.resources.pdb import build_pdb
from ragops.resources.pod import Images
from ragops.resources.service import build_headless_service, build_pod_lists, build_service
from ragops.resources.statefulset import build_statefulset
from ragops.resources.variant import Traffic, Variant


@dataclass(frozen=True)
class Build:
    """What a workload is made from: the service with the fields of one version."""

    service: ServiceSpec
    revision: str
    selector: Manifest | None = None
    """Of the live workload, which can never be changed; None where there is none."""
    idle: bool = False
    """Others serve: an update may take its pods away before there are new ones, and needs no more room."""


@dataclass(frozen=True)
class Candidate:
    """The second workload of a service, with its size."""

    build: Build
    replicas: int


@dataclass(frozen=True)
class Variants:
    """The workloads of one service, and which of them gets its requests."""

    own: Build
    candidate: Candidate | None = None
    traffic: Traffic = Traffic.STABLE
    listed: Mapping[Variant, Traffic] = field(default_factory=dict)
    """The headless Services that the gateway needs, with the pods that each lists."""
    gateway_port: int | None = None
    """Behind the stable Service is this port of the gateway; None: the pods."""


def build_children(
    rag: RAGDeployment, service: ServiceSpec, images: Images, variants: Variants
) -> tuple[Manifest, ...]:
    """The wanted children of one service: addresses first, so that pods find them when they start."""
    own = variants.own
    traffic = Traffic.BOTH if service.type is ServiceType.VECTOR_STORE else variants.traffic
    built = (
        build_service(rag, service, traffic, variants.gateway_port),
        *build_pod_lists(rag, service, variants.listed),
        build_headless_service(rag, service),
        build_pdb(rag, service),
        build_deployment(rag, own.service, images, own.revision, own.selector, own.idle),
        build_statefulset(rag, own.service, images, own.revision),
        _second(rag, images, variants.candidate),
    )
    return tuple(child for child in built if child is not None)


def _second(rag: RAGDeployment, images: Images, candidate: Candidate | None) -> Manifest | None:
    if candidate is None:
        return None
    build = candidate.build
    return build_candidate(rag, build.service, images, build.revision, candidate.replicas)


def workload_ref(rag_name: str, service: ServiceSpec) -> ChildRef:
    """The Deployment or StatefulSet of one service."""
    kind = "StatefulSet" if service.type is ServiceType.VECTOR_STORE else "Deployment"
    return ChildRef("apps/v1", kind, child_name(rag_name, service.name))


def candidate_ref(rag_name: str, service: ServiceSpec) -> ChildRef:
    """The second Deployment of one service."""
    return ChildRef("apps/v1", "Deployment", candidate_name(rag_name, service.name))


def service_ref(rag_name: str, service: ServiceSpec) -> ChildRef:
    """The stable Service of one service."""
    return ChildRef("v1", "Service", child_name(rag_name, service.name))
