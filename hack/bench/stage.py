"""A real control plane with fake pods, the operator in it as users install it, and metrics under control."""

import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from tests.cluster.conftest import Cluster
from tests.cluster.operator.audit import Audit
from tests.cluster.operator.conftest import STAGES, install_crds
from tests.cluster.operator.process import OperatorProcess
from tests.cluster.operator.space import Space, connect

from bench.page import ROOT
from bench.source import POD_ADDRESS, Source, serving

NAMESPACE: Final = "ragops-system"
OPERATOR: Final = f"system:serviceaccount:{NAMESPACE}:ragops"
"""User name of the operator in the audit log."""
_INSTALLED: Final = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


@dataclass(frozen=True)
class Stage:
    """What a benchmark has at hand."""

    kubeconfig: Path
    """Full access."""
    source: Source
    endpoint_port: int
    """Port at which the pods expose their metrics."""
    audit: Audit
    operator: OperatorProcess

    @contextmanager
    def namespace(self, name: str) -> Iterator[Space]:
        """A new namespace, with a client for one thread."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        with connect(self.kubeconfig) as client:
            client.post("/api/v1/namespaces", json=manifest).raise_for_status()
            yield Space(client, name)

    def measure(self, space: Space) -> None:
        """The pods that a namespace has now can be measured: by their address and by the metrics API."""
        pods = space.all_of("Pod")
        for pod in pods:
            if "podIP" not in pod["status"]:
                status = {"podIP": POD_ADDRESS, "podIPs": [{"ip": POD_ADDRESS}]}
                space.patch("Pod", pod["metadata"]["name"], {"status": status}, "status", by="kubelet")
        self.source.know(space.namespace, pods)


@contextmanager
def stage() -> Iterator[Stage]:
    """The cluster, the metrics and the operator; all of it is gone in the end."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            _tool("up", "--name", name, "--profile", "fake", "--no-merge", "--stages", STAGES)
            cluster = Cluster(
                name, Path(_tool("kubeconfig", "--name", name)), Path(_tool("binaries", "kubectl"))
            )
            with _playing(cluster, Path(folder)) as played:
                yield played
        finally:
            _tool("down", "--name", name)


@contextmanager
def _playing(cluster: Cluster, folder: Path) -> Iterator[Stage]:
    source = Source()
    with serving(source, folder / "pki") as (port, objects):
        cluster.run("apply", "-f", "-", stdin=json.dumps(_list([*objects, *_installation()])))
        install_crds(cluster)
        available = ("--for=condition=Available", "--timeout=60s", "apiservice/v1beta1.metrics.k8s.io")
        cluster.run("wait", *available)
        settings = {"RAGOPS_WATCH_NAMESPACES": "", "RAGOPS_SCRAPE": "direct", "RAGOPS_LOG_LEVEL": "info"}
        operator = OperatorProcess(_kubeconfig(cluster, folder), NAMESPACE, folder, settings=settings)
        try:
            operator.start()
            audit = Audit(cluster.kubeconfig.parent / "logs" / "audit.log")
            yield Stage(cluster.kubeconfig, source, port, audit, operator)
        finally:
            operator.end()


def _installation() -> list[dict[str, object]]:
    """The rights of the plain installation. Its Deployment is not of use: there is no kubelet."""
    documents = yaml.safe_load_all((ROOT / "manifests" / "operator.yaml").read_text())
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return [namespace, *(document for document in documents if document["kind"] in _INSTALLED)]


def _list(items: list[dict[str, object]]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _kubeconfig(cluster: Cluster, folder: Path) -> Path:
    """The operator's, as its service account."""
    token = cluster.run("create", "token", "ragops", "--namespace", NAMESPACE).strip()
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


def _tool(*arguments: str) -> str:
    """hack/cluster; the last line of its output."""
    command = [sys.executable, str(ROOT / "hack" / "cluster"), *arguments]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=3600).stdout
    return output.strip().rpartition("\n")[2]
