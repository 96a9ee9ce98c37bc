"""A control plane with pods that behave by their image, a namespace for each test, and the operator in it.

RAGOPS_OPERATOR_TEST_CLUSTER names a cluster that runs already, made with stages.yaml, and is left as it is.
"""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from ..conftest import ROOT, Cluster, install_crds
from .audit import Audit
from .command import Command
from .process import OperatorProcess
from .space import Object, Space, connect

StartOperator = Callable[..., OperatorProcess]

STAGES = str(Path(__file__).with_name("stages.yaml"))
PROFILE = ("--profile", "fake", "--no-merge", "--metrics", "--stages", STAGES)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of profile fake with the CRD, made for this session and removed after it."""
    given = os.environ.get("RAGOPS_OPERATOR_TEST_CLUSTER")
    name = given or f"op-{uuid.uuid4().hex[:8]}"
    try:
        if not given:
            _tool("up", "--name", name, *PROFILE)
        made = Cluster(
            name=name,
            kubeconfig=Path(_tool("kubeconfig", "--name", name)),
            kubectl=Path(_tool("binaries", "kubectl")),
        )
        install_crds(made)
        yield made
    finally:
        if not given:
            _tool("down", "--name", name)


@pytest.fixture(scope="session")
def audit(cluster: Cluster) -> Audit:
    """The audit log of the cluster."""
    return Audit(cluster.kubeconfig.parent / "logs" / "audit.log")


@pytest.fixture(scope="session")
def client(cluster: Cluster) -> Iterator[httpx.Client]:
    """Requests with full access."""
    with connect(cluster.kubeconfig) as connected:
        yield connected


@pytest.fixture
def space(cluster: Cluster, client: httpx.Client) -> Iterator[Space]:
    """A namespace of this test."""
    namespace = f"op-{uuid.uuid4().hex[:8]}"
    cluster.run("create", "namespace", namespace)
    try:
        yield Space(client, namespace)
    finally:
        cluster.run("delete", "namespace", namespace, "--wait=false")


@pytest.fixture
def start_operator(cluster: Cluster, space: Space, tmp_path: Path) -> Iterator[StartOperator]:
    """Starts operators, each as a service account of its own, which has the name of the replica."""
    processes: list[OperatorProcess] = []

    def start(
        name: str = "ragops-0", ready: bool = True, server: str | None = None, **settings: str
    ) -> OperatorProcess:
        kubeconfig = tmp_path / f"{name}.kubeconfig"
        if not kubeconfig.exists():
            _grant(cluster, space.namespace, name)
            token = cluster.run("create", "token", name, "--namespace", space.namespace).strip()
            _write_kubeconfig(cluster, kubeconfig, token, server)
        process = OperatorProcess(kubeconfig, space.namespace, tmp_path, name, settings)
        processes.append(process)
        return process.start(ready)

    try:
        yield start
    finally:
        for process in processes:
            process.end()
        for process in {process.name: process for process in processes}.values():
            print(f"--- log of {process.name}\n{process.log()}")  # shown when the test has failed


@pytest.fixture
def operator(start_operator: StartOperator) -> OperatorProcess:
    """The operator, ready."""
    return start_operator()


@pytest.fixture
def command(cluster: Cluster, space: Space, tmp_path: Path) -> Command:
    """`kubectl rag` with full access to the namespace of the test."""
    return Command(cluster.kubeconfig, space.namespace, tmp_path)


@pytest.fixture
def no_crd(cluster: Cluster) -> Iterator[None]:
    """The CRD is not installed."""
    crds = str(ROOT / "crds")
    cluster.run("delete", "--ignore-not-found", "--timeout=60s", "-f", crds)
    yield
    install_crds(cluster)


def user(space: Space, name: str = "ragops-0") -> str:
    """The user name of an operator in the audit log."""
    return f"system:serviceaccount:{space.namespace}:{name}"


def _grant(cluster: Cluster, namespace: str, name: str) -> None:
    """A service account with the roles of the plain installation, in one namespace."""
    documents = yaml.safe_load_all((ROOT / "manifests" / "operator.yaml").read_text())
    rules = {
        (d["kind"], d["metadata"]["name"]): d["rules"]
        for d in documents
        if d["kind"] in ("ClusterRole", "Role")
    }
    objects: list[Object] = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}]
    for role in (("ClusterRole", "ragops"), ("Role", "ragops-leader")):
        subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        rbac = {"apiVersion": "rbac.authorization.k8s.io/v1"}
        metadata = {"name": f"{name}-{role[1]}"}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": metadata["name"]}
        objects += [
            {**rbac, "kind": "Role", "metadata": metadata, "rules": rules[role]},
            {
                **rbac,
                "kind": "RoleBinding",
                "metadata": metadata,
                "subjects": [subject],
                "roleRef": reference,
            },
        ]
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    cluster.run("apply", "--namespace", namespace, "-f", "-", stdin=json.dumps(listed))


def _write_kubeconfig(cluster: Cluster, path: Path, token: str, server: str | None) -> None:
    """With another address of the API server where one is given."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = server or config["clusters"][0]["cluster"]["server"]
    config["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(config))


def _tool(*arguments: str) -> str:
    """hack/cluster; the last line of its output."""
    command = [sys.executable, str(ROOT / "hack" / "cluster"), *arguments]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=3600).stdout
    return output.strip().rpartition("\n")[2]
