"""What a cluster has beside Kubernetes itself: DNS, the resource metrics API, and volumes.

They run as plain processes of the node, not as pods: no images are needed for them, and a test that fills or
empties the cluster does not meet them.
"""

import base64
from pathlib import Path
from typing import Any

from cluster.components import Component, Layout, flags
from cluster.network import Subnet

PROGRAMS = ("coredns", "metrics-server", "volume-provisioner")
STORAGE_CLASS = "standard"
METRICS_API = "v1beta1.metrics.k8s.io"
_PROVISIONER = "ragops.dev/local-folder"
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
    """The add-ons' programs."""
    coredns = (layout.program("coredns"), "-conf", layout.config("Corefile"))
    metrics_server = flags(
        {
            "kubeconfig": layout.config("metrics-server.kubeconfig"),
            "authentication-kubeconfig": layout.config("metrics-server.kubeconfig"),
            "authorization-kubeconfig": layout.config("metrics-server.kubeconfig"),
            "bind-address": subnet.node,
            "secure-port": _METRICS_PORT,
            "tls-cert-file": layout.pki("metrics-server.crt"),
            "tls-private-key-file": layout.pki("metrics-server.key"),
            "kubelet-certificate-authority": layout.pki("ca.crt"),
            "kubelet-preferred-address-types": "InternalIP",
            # The shortest that metrics-server allows; its timeout must be shorter.
            "metric-resolution": "10s",
            "kubelet-request-timeout": "5s",
        }
    )
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
        Component(
            "metrics-server",
            (layout.program("metrics-server"), *metrics_server),
            f"tcp://{subnet.node}:{_METRICS_PORT}",
        ),
        Component("volume-provisioner", (layout.program("volume-provisioner"), *provisioner)),
    )


def objects(subnet: Subnet, authority: Path) -> list[dict[str, Any]]:
    """The default storage class, and what leads the API server to metrics-server."""
    metadata = {"name": "metrics-server", "namespace": "kube-system"}
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
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [port]}},
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata | {"labels": {"kubernetes.io/service-name": "metrics-server"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [subnet.node], "conditions": {"ready": True}}],
            "ports": [port],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": METRICS_API},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "caBundle": base64.b64encode(authority.read_bytes()).decode(),
                "service": metadata | {"port": _METRICS_PORT},
            },
        },
    ]
