"""The Services of one service: the stable address that clients use, and the headless one of a StatefulSet."""

from collections.abc import Mapping
from typing import Final

from ragops.api.base import ServiceType
from ragops.api.names import GATEWAY, candidate_name, child_name, headless_name, selector_labels
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.gateway.layout import TLS_OFFSET
from ragops.resources.child import ChildRef, Manifest, manifest
from ragops.resources.pod import port_of
from ragops.resources.variant import Traffic, Variant, traffic_selector

HTTPS_PORT: Final = 8443
"""Of the stable Services, where the gateway has a certificate."""


def build_service(
    rag: RAGDeployment, service: ServiceSpec, traffic: Traffic, gateway_port: int | None = None
) -> Manifest:
    """The stable address `<rag>-<service>`: behind it is this port of the gateway, or without one the pods
    that `traffic` names."""
    ref = ChildRef("v1", "Service", child_name(rag.metadata.name, service.name))
    target = _target(rag, service, traffic)
    if gateway_port is not None:
        target["selector"] = selector_labels(rag.metadata.name, GATEWAY)
        target["ports"] = [{**target["ports"][0], "targetPort": gateway_port}]
        if rag.spec.gateway.tls:
            tls = {
                "name": "https",
                "port": HTTPS_PORT,
                "targetPort": gateway_port + TLS_OFFSET,
                "protocol": "TCP",
            }
            target["ports"].append(tls)
    spec = {"type": "ClusterIP", "publishNotReadyAddresses": False, **target}
    return manifest(rag, service.name, ref, spec=spec)


def build_headless_service(rag: RAGDeployment, service: ServiceSpec) -> Manifest | None:
    """The headless Service that gives a StatefulSet's pods their names; None for Deployments."""
    if service.type is not ServiceType.VECTOR_STORE:
        return None
    ref = ChildRef("v1", "Service", headless_name(rag.metadata.name, service.name))
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, **_target(rag, service, Traffic.BOTH)}
    return manifest(rag, service.name, ref, spec=spec)


def build_pod_lists(
    rag: RAGDeployment, service: ServiceSpec, variants: Mapping[Variant, Traffic]
) -> tuple[Manifest, ...]:
    """The headless Services by which the gateway finds the ready pods of each variant. Of a stateful service
    there is one for the pods' own names already."""
    names = {Variant.STABLE: headless_name, Variant.CANDIDATE: candidate_name}
    return tuple(
        manifest(
            rag,
            service.name,
            ChildRef("v1", "Service", names[variant](rag.metadata.name, service.name)),
            spec={"clusterIP": "None", "publishNotReadyAddresses": False, **_target(rag, service, traffic)},
        )
        for variant, traffic in variants.items()
    )


def _target(rag: RAGDeployment, service: ServiceSpec, traffic: Traffic) -> Manifest:
    name, port = port_of(service)
    return {
        "selector": traffic_selector(rag.metadata.name, service.name, traffic),
        # Said although they are the defaults: what is set by hand must come back.
        "sessionAffinity": "None",
        "externalIPs": [],
        "ports": [{"name": name, "port": port, "targetPort": name, "protocol": "TCP"}],
    }
