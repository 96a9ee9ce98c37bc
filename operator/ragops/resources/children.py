"""All children of one service, in the order in which they are applied."""

from ragops.api.base import ServiceType
from ragops.api.names import child_name
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.resources.child import ChildRef, Manifest
from ragops.resources.deployment import build_deployment
from ragops.resources.pdb import build_pdb
from ragops.resources.pod import Images
from ragops.resources.service import build_headless_service, build_service
from ragops.resources.statefulset import build_statefulset


def build_children(rag: RAGDeployment, service: ServiceSpec, images: Images) -> tuple[Manifest, ...]:
    """The wanted children of one service: addresses first, so that pods find them when they start."""
    built = (
        build_service(rag, service),
        build_headless_service(rag, service),
        build_pdb(rag, service),
        build_deployment(rag, service, images),
        build_statefulset(rag, service, images),
    )
    return tuple(child for child in built if child is not None)


def workload_ref(rag_name: str, service: ServiceSpec) -> ChildRef:
    """The Deployment or StatefulSet of one service."""
    kind = "StatefulSet" if service.type is ServiceType.VECTOR_STORE else "Deployment"
    return ChildRef("apps/v1", kind, child_name(rag_name, service.name))
