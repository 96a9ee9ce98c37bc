"""The node profile: a real node in namespaces of its own, with containerd, kubelet and kube-proxy."""

import json
import os
from pathlib import Path
from typing import Any

from cluster import addons, cgroups, controlplane, processes
from cluster.api import Api, condition
from cluster.binaries import Built
from cluster.components import Component, Layout, NodePlan, Plan, flags
from cluster.controlplane import Addresses
from cluster.errors import ClusterError
from cluster.network import Subnet
from cluster.nodeinit import NODE_BIN, NODE_STATE
from cluster.preflight import cni_folder
from cluster.state import Cluster, Place, write_atomically

PROGRAMS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
    *("pause", *addons.PROGRAMS),
)
PAUSE_IMAGE = "localhost/ragops/pause:1"
_CONTAINERD = "/run/containerd/containerd.sock"
_DOMAIN = "cluster.local"


def node_name(cluster_name: str) -> str:
    """The name of a cluster's one node."""
    return f"ragops-{cluster_name}"


def create(place: Place, programs: dict[str, Built]) -> Cluster:
    """Reserve addresses and write all files of a new cluster."""
    subnet = Subnet.reserve(place.name)
    at = Addresses(
        address=subnet.node,
        api_port=6443,
        etcd_port=2379,
        etcd_peer_port=2380,
        pod_cidr=str(subnet.pods),
        service_cidr=str(subnet.services),
        service_address=str(subnet.services[1]),
        is_loopback=False,
    )
    cluster = Cluster(place.name, "node", at.server, subnet.number, {})
    # From here on clear() finds the link.
    cluster.save(place)
    cgroups.create(cgroups.name(subnet.number))
    _write_files(place, at, subnet, programs)
    name = node_name(place.name)
    layout = Layout(NODE_STATE, NODE_BIN, programs)
    etcd, apiserver, controllers = controlplane.stages(layout, at)
    node_stage = (_kubelet(layout, name), _kube_proxy(layout), *addons.components(layout, subnet, name))
    Plan(
        stages=((*etcd, _containerd_component(layout)), apiserver, (*controllers, *node_stage)),
        authority=layout.pki("ca.crt"),
        node=NodePlan(name, f"{subnet.node}/24", subnet.host, str(programs["kubelet"].bin_folder)),
    ).save(place)
    return cluster


def connect(place: Place, number: int) -> None:
    """Link the node, whose supervisor runs, to its host."""
    pid = processes.supervisor(place)
    if pid is None:
        raise ClusterError("the supervisor ended before the node got its network link")
    Subnet(number).connect(pid)


def clear(place: Place, number: int) -> None:
    """Remove what outlives the node's processes: cgroups, and the link if it was never handed over."""
    Subnet(number).disconnect()
    cgroups.remove(cgroups.name(number))


def objects(place: Place, cluster: Cluster) -> list[dict[str, Any]]:
    """What a new cluster starts with."""
    return addons.objects(_subnet(cluster), place.pki / "ca.crt")


def missing(api: Api, cluster: Cluster) -> list[str]:
    """What the node's add-ons still lack, in words."""
    service = api.get(f"/apis/apiregistration.k8s.io/v1/apiservices/{addons.METRICS_API}")
    return [] if condition(service, "Available") else ["the resource metrics API is not available"]
