"""etcd, API server, controller manager and scheduler: their files and command lines."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from cluster import pki
from cluster.components import Component, Layout, flags
from cluster.state import Place, write_atomically

ADMIN = "ragops-admin"
_FRONT_PROXY = "front-proxy-client"
# A local cluster is also where load is made: the defaults (20 to 50 requests/s) would be the bottleneck.
_QPS, _BURST = 400, 800


@dataclass(frozen=True)
class Addresses:
    """Where the control plane listens, and the cluster's address ranges."""

    address: str
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    pod_cidr: str
    service_cidr: str
    service_address: str
    """The first address of service_cidr: the Service ``kubernetes``."""
    is_loopback: bool

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:{self.api_port}"


def write_files(place: Place, at: Addresses, *, names: Sequence[str]) -> pki.Authority:
    """Write certificates, kubeconfigs and configuration files; return the cluster's authority.

    ``names`` are further DNS names of the API server.
    """
    authority = pki.Authority.create(place.pki, "ca")
    front_proxy = pki.Authority.create(place.pki, "front-proxy-ca")
    etcd = pki.Authority.create(place.pki, "etcd-ca")
    service = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
    hosts = ("localhost", *service, "kubernetes.default.svc.cluster.local", *names)
    addresses = dict.fromkeys(("127.0.0.1", at.address, at.service_address))
    authority.server("apiserver", [f"DNS:{name}" for name in hosts] + [f"IP:{ip}" for ip in addresses])
    authority.client("apiserver-kubelet-client", "kube-apiserver", ["system:masters"])
    front_proxy.client(_FRONT_PROXY, _FRONT_PROXY)
    etcd.server("etcd", ["IP:127.0.0.1"])
    etcd.client("etcd-client", "kube-apiserver")
    pki.signing_keys(place.pki, "service-accounts")

    for name in ("kube-controller-manager", "kube-scheduler"):
        client_kubeconfig(place, authority, at, name, f"system:{name}")
    token = secrets.token_urlsafe(32)
    write_atomically(place.token, token)
    write_atomically(place.config / "tokens.csv", f"{token},{ADMIN},{ADMIN},system:masters\n")
    pki.kubeconfig(place.kubeconfig, at.server, authority.pair.cert, token)
    write_atomically(place.config / "audit-policy.json", json.dumps(_audit_policy(), indent=2))
    return authority


def client_kubeconfig(
    place: Place, authority: pki.Authority, at: Addresses, name: str, user: str, groups: Sequence[str] = ()
) -> None:
    """Write ``config/NAME.kubeconfig``, with which a component is ``user`` in ``groups``."""
    pair = authority.client(f"{name}-client", user, groups)
    pki.kubeconfig(place.config / f"{name}.kubeconfig", at.server, authority.pair.cert, pair)


def stages(layout: Layout, at: Addresses) -> tuple[tuple[Component, ...], ...]:
    """The components in the order of their start."""
    return ((_etcd(layout, at),), (_apiserver(layout, at),), (_controllers(layout, at), _scheduler(layout)))


def _audit_policy() -> dict[str, object]:
    """Every write of everyone, and every request but the reads of the system's own components."""
    reads = ["get", "list", "watch"]
    programs = ("apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
    addons = ("coredns", "metrics-server", "volume-provisioner", "kwok")
    users = [f"system:{name}" for name in (*programs, *addons)]
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": users, "verbs": reads},
            {
                "level": "None",
                "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"],
                "verbs": reads,
            },
            {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*", "/metrics"]},
            {"level": "Metadata"},
        ],
    }


def _etcd(layout: Layout, at: Addresses) -> Component:
    url = f"https://127.0.0.1:{at.etcd_port}"
    peer_url = f"https://127.0.0.1:{at.etcd_peer_port}"
    options = {
        "name": "ragops",
        "data-dir": str(layout.state / "etcd"),
        # Data of a throw-away cluster: speed over surviving a power cut.
        "unsafe-no-fsync": "true",
        "listen-client-urls": url,
        "advertise-client-urls": url,
        "listen-peer-urls": peer_url,
        "initial-advertise-peer-urls": peer_url,
        "initial-cluster": f"ragops={peer_url}",
        "cert-file": layout.pki("etcd.crt"),
        "key-file": layout.pki("etcd.key"),
        "trusted-ca-file": layout.pki("etcd-ca.crt"),
        "client-cert-auth": "true",
        "peer-cert-file": layout.pki("etcd.crt"),
        "peer-key-file": layout.pki("etcd.key"),
        "peer-trusted-ca-file": layout.pki("etcd-ca.crt"),
        "peer-client-cert-auth": "true",
        "enable-grpc-gateway": "false",
        "log-level": "warn",
    }
    return Component("etcd", (layout.program("etcd"), *flags(options)), f"tcp://127.0.0.1:{at.etcd_port}")


def _apiserver(layout: Layout, at: Addresses) -> Component:
    options: dict[str, str | int] = {
        "bind-address": at.address,
        "secure-port": at.api_port,
        "advertise-address": at.address,
        "service-cluster-ip-range": at.service_cidr,
        "etcd-servers": f"https://127.0.0.1:{at.etcd_port}",
        "etcd-cafile": layout.pki("etcd-ca.crt"),
        "etcd-certfile": layout.pki("etcd-client.crt"),
        "etcd-keyfile": layout.pki("etcd-client.key"),
        "tls-cert-file": layout.pki("apiserver.crt"),
        "tls-private-key-file": layout.pki("apiserver.key"),
        "client-ca-file": layout.pki("ca.crt"),
        "token-auth-file": layout.config("tokens.csv"),
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
        "service-account-key-file": layout.pki("service-accounts.pub"),
        "service-account-signing-key-file": layout.pki("service-accounts.key"),
        "requestheader-client-ca-file": layout.pki("front-proxy-ca.crt"),
        "requestheader-allowed-names": _FRONT_PROXY,
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": layout.pki(f"{_FRONT_PROXY}.crt"),
        "proxy-client-key-file": layout.pki(f"{_FRONT_PROXY}.key"),
        "enable-aggregator-routing": "true",
        "kubelet-client-certificate": layout.pki("apiserver-kubelet-client.crt"),
        "kubelet-client-key": layout.pki("apiserver-kubelet-client.key"),
        "kubelet-certificate-authority": layout.pki("ca.crt"),
        "kubelet-preferred-address-types": "InternalIP",
        "audit-policy-file": layout.config("audit-policy.json"),
        "audit-log-path": layout.log("audit.log"),
        "profiling": "false",
    }
    if at.is_loopback:
        # Endpoints may not be loopback addresses: the Service `kubernetes` stays without any, and aggregated
        # APIs are reached by the name of an ExternalName Service, which excludes routing by endpoints.
        options |= {"endpoint-reconciler-type": "none", "enable-aggregator-routing": "false"}
    return Component(
        "kube-apiserver", (layout.program("kube-apiserver"), *flags(options)), f"{at.server}/readyz"
    )


def _controllers(layout: Layout, at: Addresses) -> Component:
    kubeconfig = layout.config("kube-controller-manager.kubeconfig")
    options: dict[str, str | int] = {
        "kubeconfig": kubeconfig,
        "leader-elect": "false",
        "secure-port": 0,
        "use-service-account-credentials": "true",
        "service-account-private-key-file": layout.pki("service-accounts.key"),
        "root-ca-file": layout.pki("ca.crt"),
        "cluster-signing-cert-file": layout.pki("ca.crt"),
        "cluster-signing-key-file": layout.pki("ca.key"),
        "service-cluster-ip-range": at.service_cidr,
        "cluster-cidr": at.pod_cidr,
        "allocate-node-cidrs": "false",
        "kube-api-qps": _QPS,
        "kube-api-burst": _BURST,
        "profiling": "false",
    }
    return Component("kube-controller-manager", (layout.program("kube-controller-manager"), *flags(options)))


def _scheduler(layout: Layout) -> Component:
    options: dict[str, str | int] = {
        "kubeconfig": layout.config("kube-scheduler.kubeconfig"),
        "leader-elect": "false",
        "secure-port": 0,
        "kube-api-qps": _QPS,
        "kube-api-burst": _BURST,
        "profiling": "false",
    }
    return Component("kube-scheduler", (layout.program("kube-scheduler"), *flags(options)))
