"""A real control plane for the session: the API server, etcd and kubectl of hack/cluster, with fake nodes.

RAGOPS_TEST_CLUSTER names a cluster that runs already and is used, and left, as it is.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .operator.eventually import eventually

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs."""

    name: str
    kubeconfig: Path
    """Full access."""
    kubectl: Path
    """Of the same version as the API server."""

    def run(self, *arguments: str, stdin: str | None = None) -> str:
        """kubectl with these arguments: its output. Raises CalledProcessError; its stderr is shown."""
        command = [self.kubectl, "--kubeconfig", self.kubeconfig, *arguments]
        return subprocess.run(
            command, input=stdin, stdout=subprocess.PIPE, text=True, check=True, timeout=120
        ).stdout


def install_crds(cluster: Cluster) -> None:
    """The CRD of this checkout, ready for use."""
    crds = str(ROOT / "crds")
    cluster.run("apply", "--server-side", "--force-conflicts", "-f", crds)
    # `kubectl wait` fails where the object has no condition at all yet.
    eventually(
        lambda: '"type": "Established"' in cluster.run("get", "-f", crds, "-o", "json"), "the CRD is ready"
    )


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster of profile fake, made for this session and removed after it."""
    given = os.environ.get("RAGOPS_TEST_CLUSTER")
    name = given or f"test-{uuid.uuid4().hex[:8]}"
    try:
        if not given:
            _tool("up", "--name", name, "--profile", "fake", "--no-merge")
        yield Cluster(
            name=name,
            kubeconfig=Path(_tool("kubeconfig", "--name", name)),
            kubectl=Path(_tool("binaries", "kubectl")),
        )
    finally:
        if not given:
            _tool("down", "--name", name)


def _tool(*arguments: str) -> str:
    """hack/cluster; the last line of its output. The first start builds the programs, which takes minutes."""
    command = [sys.executable, str(ROOT / "hack" / "cluster"), *arguments]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=3600).stdout
    return output.strip().rpartition("\n")[2]
