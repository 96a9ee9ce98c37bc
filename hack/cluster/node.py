"""The node profile: a real node in namespaces of its own, with containerd, kubelet and kube-proxy."""

from typing import Any

from cluster import addons, cgroups, controlplane, images, nodeconfig, processes
from cluster.binaries import Built
from cluster.components import Layout, NodePlan, Plan
from cluster.controlplane import Addresses, client_kubeconfig
from cluster.errors import ClusterError
from cluster.network import Subnet
from cluster.nodeinit import NODE_BIN, NODE_STATE
from cluster.preflight import cni_folder
from cluster.state import Cluster, Place, write_atomically

PROGRAMS = (
    *("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    *("kubelet", "kube-proxy", "pause", *addons.PROGRAMS),
)


def node_name(cluster_name: str) -> str:
    """The name of a cluster's one node."""
    return f"ragops-{cluster_name}"


def create(place: Place, programs: dict[str, Built]) -> Cluster:
    """Reserve addresses and write all files of a new cluster."""
    subnet = Subnet.reserve(place.identity)
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
    cgroups.create(cgroups.name(place))
    layout = Layout(NODE_STATE, NODE_BIN, programs)
    name = node_name(place.name)
    _write_files(place, layout, at, subnet)
    images.write_pause_archive(place, programs["pause"].path)
    etcd, apiserver, controllers = controlplane.stages(layout, at)
    workers = (nodeconfig.kubelet(layout, subnet, name), nodeconfig.kube_proxy(layout))
    Plan(
        stages=(
            (*etcd, nodeconfig.containerd(layout)),
            apiserver,
            (*controllers, *workers, *addons.components(layout, subnet, name)),
        ),
        authority=layout.pki("ca.crt"),
        node=NodePlan(name, f"{subnet.node}/24", subnet.host, str(programs["kubelet"].bin_folder)),
    ).save(place)
    return cluster


def connect(place: Place, cluster: Cluster) -> None:
    """Link the node, whose supervisor runs, to its host."""
    pid = processes.supervisor(place)
    if pid is None:
        raise ClusterError("the supervisor ended before the node got its network link")
    _subnet(cluster).connect(pid)


def clear(place: Place, cluster: Cluster) -> None:
    """Remove what outlives the node's processes: cgroups, and the link if it was never handed over."""
    _subnet(cluster).disconnect(place.identity)
    cgroups.remove(cgroups.name(place))


def objects(place: Place, cluster: Cluster) -> list[dict[str, Any]]:
    """What a new cluster starts with."""
    return addons.objects(_subnet(cluster), place.pki / "ca.crt")


def _subnet(cluster: Cluster) -> Subnet:
    if cluster.subnet is None:
        raise ClusterError(f"cluster {cluster.name} has profile {cluster.profile}, and thus no node")
    return Subnet(cluster.subnet)


def _write_files(place: Place, layout: Layout, at: Addresses, subnet: Subnet) -> None:
    name = node_name(place.name)
    authority = controlplane.write_files(place, at, names=(name,))
    authority.server("kubelet", [f"DNS:{name}", f"IP:{subnet.node}"])
    client_kubeconfig(place, authority, at, "kubelet", f"system:node:{name}", ["system:nodes"])
    client_kubeconfig(place, authority, at, "kube-proxy", "system:kube-proxy")
    addons.write_metrics_files(place, authority, at)
    for program in ("coredns", "volume-provisioner"):
        # Full rights, as metrics-server has.
        client_kubeconfig(place, authority, at, program, f"system:{program}", ["system:masters"])
    files = {
        "containerd.toml": nodeconfig.containerd_config(layout, cni_folder()),
        "cni/10-ragops.conflist": nodeconfig.cni_config(subnet),
        "kubelet.json": nodeconfig.kubelet_config(layout, subnet, cgroups.name(place)),
        "kube-proxy.json": nodeconfig.kube_proxy_config(layout, subnet, name),
        "Corefile": addons.corefile(layout, subnet),
        # What pods with dnsPolicy Default get.
        "resolv.conf": f"nameserver {subnet.node}\n",
    }
    for file, content in files.items():
        write_atomically(place.config / file, content)
