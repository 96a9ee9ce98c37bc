"""The fake profile: a real control plane on loopback ports, with nodes and pods that kwok makes up.

Needs no root and no containers. Pods become Running and Ready at once, claims are bound at once; a stage file
of one's own can give pods delays and failures instead.
"""

import random
import socket
from collections.abc import Iterable, Sequence
from pathlib import Path

from cluster import controlplane
from cluster.binaries import Built
from cluster.components import Component, Layout, Plan, flags
from cluster.controlplane import Addresses
from cluster.errors import ClusterError
from cluster.state import Cluster, Place

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubectl")
_PORTS = ("api", "etcd", "etcd-peer", "kwok")
# Below the range from which the kernel takes ports for outgoing connections.
_PORT_RANGE = range(20000, 32000)
POD_CIDR = "10.244.0.0/16"
STORAGE_CLASS = "kwok-volume"
_NODES = 3
_NODE_STAGES = ("node/fast/node-initialize.yaml", "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml")
_VOLUME_STAGES = tuple(
    f"volume/fast/{name}.yaml" for name in ("pvc-provision", "pv-bind", "pvc-delete", "pv-delete")
)
_POD_STAGES = tuple(f"pod/fast/{name}.yaml" for name in ("pod-ready", "pod-complete", "pod-delete"))


def create(
    place: Place, programs: dict[str, Built], taken: Iterable[int], stages: Sequence[Path]
) -> Cluster:
    """Write all files of a new fake cluster.

    ``taken`` are ports not to use; ``stages``, if any, are kwok Stage files used in place of the pod stages
    that kwok ships. Raises ClusterError for a stage file that is not there.
    """
    for path in stages:
        if not path.is_file():
            raise ClusterError(f"--stages {path}: there is no such file")
    ports = _free_ports(set(taken))
    at = Addresses(
        address="127.0.0.1",
        api_port=ports["api"],
        etcd_port=ports["etcd"],
        etcd_peer_port=ports["etcd-peer"],
        pod_cidr=POD_CIDR,
        service_cidr="10.96.0.0/16",
        service_address="10.96.0.1",
        is_loopback=True,
    )
    authority = controlplane.write_files(place, at, names=())
    # kwok writes nodes, pods, claims and volumes of every kind: full rights, under a name of its own.
    controlplane.client_kubeconfig(place, authority, at, "kwok", "system:kwok", ["system:masters"])
    any_build = next(iter(programs.values()))
    layout = Layout(place.root, any_build.bin_folder, programs)
    control_plane = controlplane.stages(layout, at)
    plan = Plan((*control_plane[:-1], (*control_plane[-1], _kwok(layout, ports["kwok"], stages))), _ca(place))
    plan.save(place)
    return Cluster(place.name, "fake", at.server, None, ports)


def objects() -> list[dict[str, object]]:
    """What a new fake cluster starts with: nodes, and a storage class whose claims kwok binds."""
    nodes: list[dict[str, object]] = [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "type": "kwok"},
                "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
        }
        for name in (f"fake-{number}" for number in range(_NODES))
    ]
    storage: dict[str, object] = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "kwok.x-k8s.io/volume",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
    return [*nodes, storage]


def _ca(place: Place) -> str:
    return str(place.pki / "ca.crt")


def _kwok(layout: Layout, port: int, stages: Sequence[Path]) -> Component:
    shipped = layout.bin_folder / layout.programs["kwok"].build / "kustomize" / "stage"
    names = (*_NODE_STAGES, *_VOLUME_STAGES, *(() if stages else _POD_STAGES))
    configs = [str(shipped / name) for name in names] + [str(path.resolve()) for path in stages]
    options: dict[str, str | int] = {
        "kubeconfig": layout.config("kwok.kubeconfig"),
        "manage-all-nodes": "true",
        "cidr": POD_CIDR,
        "node-ip": "127.0.0.1",
        "node-port": port,
        "server-address": f"127.0.0.1:{port}",
        "node-lease-duration-seconds": 40,
    }
    return Component(
        "kwok",
        (layout.program("kwok"), *flags(options), *(f"--config={config}" for config in configs)),
        f"tcp://127.0.0.1:{port}",
    )


def _free_ports(taken: set[int]) -> dict[str, int]:
    """Loopback ports that nothing listens on and no other cluster has been given."""
    candidates = [port for port in _PORT_RANGE if port not in taken]
    random.shuffle(candidates)
    free = (port for port in candidates if _is_free(port))
    return {name: next(free) for name in _PORTS}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
