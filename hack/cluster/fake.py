"""The fake profile: a real control plane on loopback ports, with nodes and pods that kwok makes up.

Needs no root and no containers. Pods become Running and Ready at once, claims are bound at once; a stage file
of one's own can give pods delays and failures instead.
"""

import random
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import addons, controlplane
from cluster.binaries import Built
from cluster.components import Component, Layout, Plan, flags
from cluster.controlplane import Addresses
from cluster.errors import ClusterError
from cluster.state import Cluster, Place

_PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl")
_PORTS = ("api", "etcd", "etcd-peer", "kwok")
# Below the range from which the kernel takes ports for outgoing connections.
_PORT_RANGE = range(20000, 32000)
_ADDRESS = "127.0.0.1"
_POD_CIDR = "10.244.0.0/16"
_NODES = 3
_CAPACITY = {"cpu": "1k", "memory": "1Ti", "ephemeral-storage": "100Ti", "pods": "1M"}
_NODE_STAGES = (
    "stage/node/fast/node-initialize.yaml",
    "stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
)
_VOLUME_STAGES = tuple(
    f"stage/volume/fast/{name}.yaml" for name in ("pvc-provision", "pv-bind", "pvc-delete", "pv-delete")
)
_POD_STAGES = tuple(f"stage/pod/fast/{name}.yaml" for name in ("pod-ready", "pod-complete", "pod-delete"))
_METRICS = ("metrics/resource/metrics-resource.yaml", "metrics/usage/usage-from-annotation.yaml")


@dataclass(frozen=True)
class Options:
    """What a fake cluster can be given beside the usual."""

    stages: tuple[Path, ...] = ()
    """kwok Stage files used in place of the pod stages that kwok ships."""
    metrics: bool = False
    """Serve the resource metrics API, with the use of CPU and memory that annotations of pods tell."""


def programs(options: Options) -> tuple[str, ...]:
    """The programs that a fake cluster needs."""
    return (*_PROGRAMS, "metrics-server") if options.metrics else _PROGRAMS


def create(place: Place, built: dict[str, Built], taken: Iterable[int], options: Options) -> Cluster:
    """Write all files of a new fake cluster; ``taken`` are ports not to use.

    Raises ClusterError for a stage file that is not there.
    """
    for path in options.stages:
        if not path.is_file():
            raise ClusterError(f"--stages {path}: there is no such file")
    ports = _free_ports((*_PORTS, "metrics-server") if options.metrics else _PORTS, set(taken))
    at = Addresses(
        address=_ADDRESS,
        api_port=ports["api"],
        etcd_port=ports["etcd"],
        etcd_peer_port=ports["etcd-peer"],
        pod_cidr=_POD_CIDR,
        service_cidr="10.96.0.0/16",
        service_address="10.96.0.1",
        is_loopback=True,
    )
    authority = controlplane.write_files(place, at, names=())
    authority.server("kwok", [f"IP:{_ADDRESS}"])
    # kwok writes nodes, pods, claims and volumes of every kind: full rights, under a name of its own.
    controlplane.client_kubeconfig(place, authority, at, "kwok", "system:kwok", ["system:masters"])
    layout = Layout(place.root, built["kwok"].bin_folder, built)
    *first, last = controlplane.stages(layout, at)
    last = (*last, _kwok(layout, ports["kwok"], options))
    if options.metrics:
        addons.write_metrics_files(place, authority, at)
        last = (*last, addons.metrics_server(layout, _ADDRESS, ports["metrics-server"]))
    Plan((*first, last), str(authority.pair.cert)).save(place)
    return Cluster(place.name, "fake", at.server, None, ports)


def objects(place: Place, cluster: Cluster) -> list[dict[str, Any]]:
    """What a new fake cluster starts with: nodes, and a storage class whose claims kwok binds."""
    storage = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "kwok-volume",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kwok.x-k8s.io/volume",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
    made = [*(_node(f"fake-{number}") for number in range(_NODES)), storage]
    if cluster.has_metrics:
        service = {"type": "ExternalName", "externalName": "localhost"}
        made += addons.metrics_objects(place.pki / "ca.crt", service, cluster.ports["metrics-server"])
    return made


def _node(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "type": "kwok"},
            "annotations": {
                "kwok.x-k8s.io/node": "fake",
                "metrics.k8s.io/resource-metrics-path": f"/metrics/nodes/{name}/metrics/resource",
            },
        },
        "status": {"capacity": _CAPACITY, "allocatable": _CAPACITY},
    }


def _kwok(layout: Layout, port: int, options: Options) -> Component:
    shipped = layout.bin_folder / layout.programs["kwok"].build / "kustomize"
    names = (
        *_NODE_STAGES,
        *_VOLUME_STAGES,
        *(() if options.stages else _POD_STAGES),
        *(_METRICS if options.metrics else ()),
    )
    configs = [shipped / name for name in names] + [path.resolve() for path in options.stages]
    arguments: dict[str, str | int] = {
        "kubeconfig": layout.config("kwok.kubeconfig"),
        "manage-all-nodes": "true",
        "cidr": _POD_CIDR,
        "node-ip": _ADDRESS,
        "node-port": port,
        "server-address": f"{_ADDRESS}:{port}",
        "tls-cert-file": layout.pki("kwok.crt"),
        "tls-private-key-file": layout.pki("kwok.key"),
        "node-lease-duration-seconds": 40,
    }
    return Component(
        "kwok",
        (layout.program("kwok"), *flags(arguments), *(f"--config={config}" for config in configs)),
        f"tcp://{_ADDRESS}:{port}",
    )


def _free_ports(names: Iterable[str], taken: set[int]) -> dict[str, int]:
    """Loopback ports that nothing listens on and no other cluster has been given."""
    candidates = [port for port in _PORT_RANGE if port not in taken]
    random.shuffle(candidates)
    free = (port for port in candidates if _is_free(port))
    return {name: next(free) for name in names}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_ADDRESS, port))
        except OSError:
            return False
        return True
