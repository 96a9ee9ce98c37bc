"""What a cluster has beside Kubernetes itself: DNS, the resource metrics API, and volumes.

They run as plain processes of the node, not as pods: no images are needed for them, and a test that fills or
empties the cluster does not meet them.
"""

import base64
from pathlib import Path
from typing import Any

from cluster import pki
from cluster.api import Api, condition
from cluster.components import Component, Layout, flags
from cluster.controlplane import Addresses, client_kubeconfig
from cluster.network import Subnet
from cluster.state import Place

PROGRAMS = ("coredns", "metrics-server", "volume-provisioner")
STORAGE_CLASS = "standard"
_PROVISIONER = "ragops.dev/local-folder"
_METRICS_API = "v1beta1.metrics.k8s.io"
_METRICS_NAME = "metrics-server"
_METRICS_NAMESPACE = "kube-system"
_METRICS_PORT = 4443
_DNS_READY_PORT = 8181


def corefile(layout: Layout, subnet: Subnet) -> str:
    """CoreDNS' configuration: names of the cluster, and nothing else."""
    return f"""\
.:53 {{
    bind {subnet.node}
    errors
    ready {subnet.node}:{_DNS_READY_PORT}
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {layout.config("coredns.kubeconfig")} ragops
        ttl 5
    }}
}}
"""


def components(layout: Layout, subnet: Subnet, node_name: str) -> tuple[Component, ...]:
    """The add-ons' programs in profile node."""
    coredns = (layout.program("coredns"), "-conf", layout.config("Corefile"))
    provisioner = flags(
        {
            "kubeconfig": layout.config("volume-provisioner.kubeconfig"),
            "name": _PROVISIONER,
            "node": node_name,
            "directory": "/var/lib/volumes",
        }
    )
    return (
        Component("coredns", coredns, f"tcp://{subnet.node}:{_DNS_READY_PORT}"),
        metrics_server(layout, subnet.node, _METRICS_PORT),
        Component("volume-provisioner", (layout.program("volume-provisioner"), *provisioner)),
    )


def metrics_server(layout: Layout, address: str, port: int) -> Component:
    """metrics-server, serving at an address."""
    kubeconfig = layout.config("metrics-server.kubeconfig")
    options: dict[str, str | int] = {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": address,
        "secure-port": port,
        "tls-cert-file": layout.pki("metrics-server.crt"),
        "tls-private-key-file": layout.pki("metrics-server.key"),
        "kubelet-certificate-authority": layout.pki("ca.crt"),
        "kubelet-preferred-address-types": "InternalIP",
        "kubelet-use-node-status-port": "true",
        # The shortest that metrics-server allows; its timeout must be shorter.
        "metric-resolution": "10s",
        "kubelet-request-timeout": "5s",
    }
    argv = (layout.program("metrics-server"), *flags(options))
    return Component("metrics-server", argv, f"tcp://{address}:{port}")


def write_metrics_files(place: Place, authority: pki.Authority, at: Addresses) -> None:
    """Write what metrics_server() needs."""
    authority.server("metrics-server", [f"DNS:{_METRICS_NAME}.{_METRICS_NAMESPACE}.svc"])
    # Full rights: there is nothing here to protect from it, and its own name keeps the audit log readable.
    client_kubeconfig(place, authority, at, "metrics-server", "system:metrics-server", ["system:masters"])


def metrics_objects(authority: Path, service: dict[str, Any], port: int) -> list[dict[str, Any]]:
    """What leads the API server to metrics-server; ``service`` is the spec of its Service."""
    metadata = {"name": _METRICS_NAME, "namespace": _METRICS_NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": _METRICS_API},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(authority.read_bytes()).decode(),
                "service": metadata | {"port": port},
            },
        },
    ]


def missing(api: Api) -> list[str]:
    """What the add-ons still lack, in words."""
    service = api.get(f"/apis/apiregistration.k8s.io/v1/apiservices/{_METRICS_API}")
    return [] if condition(service, "Available") else ["the resource metrics API is not available"]


def objects(subnet: Subnet, authority: Path) -> list[dict[str, Any]]:
    """What profile node starts with: the default storage class, and the way to metrics-server."""
    port = {"name": "https", "port": _METRICS_PORT, "protocol": "TCP"}
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": STORAGE_CLASS,
                "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
            },
            "provisioner": _PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": _METRICS_NAME,
                "namespace": _METRICS_NAMESPACE,
                "labels": {"kubernetes.io/service-name": _METRICS_NAME},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [subnet.node], "conditions": {"ready": True}}],
            "ports": [port],
        },
        *metrics_objects(authority, {"ports": [port]}, _METRICS_PORT),
    ]
