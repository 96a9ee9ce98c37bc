"""The Services of one service: the stable address that clients use, and the headless one of a StatefulSet."""

from ragops.api.base import ServiceType
from ragops.api.names import child_name, headless_name, selector_labels
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.resources.child import ChildRef, Manifest, manifest
from ragops.resources.pod import port_of


def build_service(rag: RAGDeployment, service: ServiceSpec) -> Manifest:
    """The stable address `<rag>-<service>`."""
    ref = ChildRef("v1", "Service", child_name(rag.metadata.name, service.name))
    return manifest(rag, service, ref, spec={"type": "ClusterIP", **_target(rag, service)})


def build_headless_service(rag: RAGDeployment, service: ServiceSpec) -> Manifest | None:
    """The headless Service that gives a StatefulSet's pods their names; None for Deployments."""
    if service.type is not ServiceType.VECTOR_STORE:
        return None
    ref = ChildRef("v1", "Service", headless_name(rag.metadata.name, service.name))
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, **_target(rag, service)}
    return manifest(rag, service, ref, spec=spec)


def _target(rag: RAGDeployment, service: ServiceSpec) -> Manifest:
    name, port = port_of(service)
    return {
        "selector": selector_labels(rag.metadata.name, service.name),
        "ports": [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"}],
    }
