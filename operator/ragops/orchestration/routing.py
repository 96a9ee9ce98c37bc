"""Whom the stable Service of a service sends its requests to now: the pods, or the gateway before them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ragops.api.names import GATEWAY, PORTS_ANNOTATION, SERVICE_LABEL
from ragops.api.service import ServiceSpec
from ragops.gateway.files import read_split_map
from ragops.gateway.naming import digest
from ragops.orchestration.observation import GatewayReport
from ragops.resources.child import ChildRef, Manifest
from ragops.resources.children import service_ref
from ragops.resources.gateway import config_ref
from ragops.resources.variant import Traffic, traffic_of

FIRST_PORT: Final = 20_000
"""Of the gateway's ports. TLS has those a thousand further."""

Children = Mapping[ChildRef, Manifest]


def gateway_port(service: Mapping[str, Any] | None) -> int | None:
    """The gateway's port behind a live stable Service; None where the pods are behind it."""
    spec = (service or {}).get("spec") or {}
    if (spec.get("selector") or {}).get(SERVICE_LABEL) != GATEWAY:
        return None
    target = next((p.get("targetPort") for p in spec.get("ports") or () if p.get("name") == "http"), None)
    return target if isinstance(target, int) else None


def routed(rag: str, services: Iterable[ServiceSpec], children: Children) -> dict[str, int]:
    """The services whose requests go through the gateway now, with its port."""
    ports = {s.name: gateway_port(children.get(service_ref(rag, s))) for s in services}
    return {name: port for name, port in ports.items() if port is not None}


def seen_traffic(
    rag: str, service: ServiceSpec, children: Children, reports: Iterable[GatewayReport] = ()
) -> Traffic:
    """Which variants of a service may get requests: by the Service, or by the gateway's shares, of which
    others may still be in force in some pod of it."""
    live = children.get(service_ref(rag, service))
    if gateway_port(live) is None:
        return traffic_of(live)
    config = children.get(config_ref(rag)) or {}
    text = (config.get("data") or {}).get("split.map", "")
    if any(report.split not in (None, digest(text)) for report in reports):
        return Traffic.BOTH
    share = read_split_map(text).get(service.name, 0)
    if share <= 0:
        return Traffic.STABLE
    return Traffic.CANDIDATE if share >= 100 else Traffic.BOTH


def assign_ports(rag: str, services: Iterable[ServiceSpec], children: Children) -> dict[str, int]:
    """A port of the gateway for each service. One that has a port keeps it, whatever else comes and goes: the
    Service and the gateway do not change at the same moment.
    """
    wanted = list(services)
    known = {**_recorded(children.get(config_ref(rag))), **routed(rag, wanted, children)}
    ports = {service.name: known[service.name] for service in wanted if service.name in known}
    taken = set(known.values())
    for service in wanted:
        if service.name not in ports:
            ports[service.name] = next(p for p in range(FIRST_PORT, FIRST_PORT + 1000) if p not in taken)
            taken.add(ports[service.name])
    return ports


def _recorded(config: Mapping[str, Any] | None) -> dict[str, int]:
    annotations = ((config or {}).get("metadata") or {}).get("annotations") or {}
    try:
        ports = json.loads(annotations.get(PORTS_ANNOTATION, "{}"))
    except ValueError:
        return {}
    valid = isinstance(ports, dict)
    return {name: port for name, port in ports.items() if isinstance(port, int)} if valid else {}
