"""The PodDisruptionBudget of a service."""

from ragops.api.base import ServiceType
from ragops.api.names import child_name, selector_labels
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.resources.child import ChildRef, Manifest, manifest


def build_pdb(rag: RAGDeployment, service: ServiceSpec) -> Manifest | None:
    """A budget of one pod at a time; None for the vector store, whose single pod it would pin to its node.

    It holds for the pods of both workloads while a new version is rolled out: as long as one of those is not
    ready, no ready pod may be evicted, and the drain of a node waits; pods that are not ready may always go.
    """
    return None if service.type is ServiceType.VECTOR_STORE else one_at_a_time(rag, service.name)


def one_at_a_time(rag: RAGDeployment, component: str) -> Manifest:
    """A budget of one pod of a service, or of the gateway."""
    return manifest(
        rag,
        component,
        ChildRef("policy/v1", "PodDisruptionBudget", child_name(rag.metadata.name, component)),
        spec={
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": selector_labels(rag.metadata.name, component)},
        },
    )
