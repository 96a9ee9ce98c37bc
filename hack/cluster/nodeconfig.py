"""Configuration and command lines of containerd, the pod network, kubelet and kube-proxy."""

import json
from pathlib import Path
from typing import Any

from cluster.components import Component, Layout, flags
from cluster.network import Subnet

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
PAUSE_IMAGE = "localhost/ragops/pause:1"
CLUSTER_DOMAIN = "cluster.local"
_KUBELET_GROUP = "kubelet.config.k8s.io/v1beta1"


def containerd_config(layout: Layout, cni_plugins: Path) -> str:
    """containerd's configuration; its folders are the defaults, which the node has to itself."""
    # Without restrict_oom_score_adj no pod starts on a machine that may not lower oom_score_adj.
    return f"""\
version = 2
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins}"
    conf_dir = "{layout.state / "config" / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def cni_config(subnet: Subnet) -> str:
    """The pod network: a routed link per pod.

    Not a bridge: across one, pods would answer each other directly, past the address translation of Services.
    """
    address_range = {"subnet": str(subnet.pods)}
    ipam = {"type": "host-local", "ranges": [[address_range]], "routes": [{"dst": "0.0.0.0/0"}]}
    plugins = [{"type": "ptp", "ipMasq": False, "ipam": ipam}]
    return json.dumps({"cniVersion": "0.4.0", "name": "ragops", "plugins": plugins}, indent=2)


def kubelet_config(layout: Layout, subnet: Subnet, cgroup: str) -> str:
    """The kubelet's configuration."""
    config: dict[str, Any] = {
        "apiVersion": _KUBELET_GROUP,
        "kind": "KubeletConfiguration",
        "address": subnet.node,
        "tlsCertFile": layout.pki("kubelet.crt"),
        "tlsPrivateKeyFile": layout.pki("kubelet.key"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": layout.pki("ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "makeIPTablesUtilChains": False,
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "clusterDNS": [subnet.node],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": layout.config("resolv.conf"),
        "maxPods": 200,
        # Images come in by import and could not be pulled again, and a developer's disk may well be full.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
    }
    return json.dumps(config, indent=2)


def kube_proxy_config(layout: Layout, subnet: Subnet, node_name: str) -> str:
    """kube-proxy's configuration."""
    unchanged = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"}
    config: dict[str, Any] = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "bindAddress": subnet.node,
        "clientConnection": {"kubeconfig": layout.config("kube-proxy.kubeconfig")},
        "clusterCIDR": str(subnet.pods),
        "hostnameOverride": node_name,
        # A network namespace of its own may not set these.
        "conntrack": unchanged,
        "oomScoreAdj": 0,
    }
    return json.dumps(config, indent=2)


def containerd(layout: Layout) -> Component:
    """The container runtime."""
    argv = ("containerd", "--config", layout.config("containerd.toml"))
    return Component("containerd", argv, f"unix:{CONTAINERD_SOCKET}")


def kubelet(layout: Layout, subnet: Subnet, node_name: str) -> Component:
    """The kubelet."""
    options = {
        "config": layout.config("kubelet.json"),
        "kubeconfig": layout.config("kubelet.kubeconfig"),
        "hostname-override": node_name,
        "node-ip": subnet.node,
    }
    return Component("kubelet", (layout.program("kubelet"), *flags(options)), f"tcp://{subnet.node}:10250")


def kube_proxy(layout: Layout) -> Component:
    """kube-proxy."""
    options = {"config": layout.config("kube-proxy.json")}
    return Component("kube-proxy", (layout.program("kube-proxy"), *flags(options)))
