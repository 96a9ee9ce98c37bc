"""The Services of one service: the stable address that clients use, and the headless one of a StatefulSet."""

from ragops.api.base import ServiceType
from ragops.api.names import child_name, headless_name
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.resources.child import ChildRef, Manifest, manifest
from ragops.resources.pod import port_of
from ragops.resources.variant import Traffic, traffic_selector


def build_service(rag: RAGDeployment, service: ServiceSpec, traffic: Traffic) -> Manifest:
    """The stable address `<rag>-<service>`, with the pods that `traffic` names behind it."""
    ref = ChildRef("v1", "Service", child_name(rag.metadata.name, service.name))
    spec = {"type": "ClusterIP", "publishNotReadyAddresses": False, **_target(rag, service, traffic)}
    return manifest(rag, service, ref, spec=spec)


def build_headless_service(rag: RAGDeployment, service: ServiceSpec) -> Manifest | None:
    """The headless Service that gives a StatefulSet's pods their names; None for Deployments."""
    if service.type is not ServiceType.VECTOR_STORE:
        return None
    ref = ChildRef("v1", "Service", headless_name(rag.metadata.name, service.name))
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, **_target(rag, service, Traffic.BOTH)}
    return manifest(rag, service, ref, spec=spec)


def _target(rag: RAGDeployment, service: ServiceSpec, traffic: Traffic) -> Manifest:
    name, port = port_of(service)
    return {
        "selector": traffic_selector(rag.metadata.name, service.name, traffic),
        # Said although they are the defaults: what is set by hand must come back.
        "sessionAffinity": "None",
        "externalIPs": [],
        "ports": [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"}],
    }
