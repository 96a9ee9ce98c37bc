"""Where the demo's Kubernetes comes from: hack/cluster on this machine, or kind with Docker."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, Protocol

from shell import ROOT, DemoError, capture, stream

IMAGES: Final = ("operator", "services", "postgres", "haproxy")


class Provider(Protocol):
    """A way to get a cluster."""

    kubectl: str
    helm: str
    down_command: str

    def up(self) -> None:
        """Makes the cluster, or does nothing when it runs; kubectl's current context is then its."""

    def load_images(self) -> list[str]:
        """Builds the images and brings them into the node. Returns their references, in order of IMAGES."""

    def down(self) -> None:
        """Removes the cluster."""


class Local:
    """A real kubelet on this machine, without Docker: hack/cluster, profile node."""

    NAME: Final = "demo"

    def __init__(self) -> None:
        self.kubectl = "kubectl"
        self.helm = "helm"
        self.down_command = "make down"

    def up(self) -> None:
        """Builds the binaries at the first time, then starts the cluster."""
        self._cluster("up", "--name", self.NAME, "--profile", "node")
        paths = capture(sys.executable, "hack/cluster", "binaries", "kubectl", "helm").split()
        self.kubectl, self.helm = paths[-2], paths[-1]

    def load_images(self) -> list[str]:
        """Builds with buildah and imports into the node's containerd."""
        references = capture("images/build", "--builder", "buildah", *IMAGES, show_errors=True).split()
        self._cluster("load-image", "--name", self.NAME, *references)
        return references

    def down(self) -> None:
        """Removes the cluster and all traces of it."""
        self._cluster("down", "--name", self.NAME)

    def _cluster(self, *arguments: str) -> None:
        stream(sys.executable, "hack/cluster", *arguments)


class Kind:
    """kind, where a Docker engine answers."""

    NAME: Final = "ragops-demo"

    def __init__(self) -> None:
        missing = [tool for tool in ("docker", "kind", "kubectl", "helm") if shutil.which(tool) is None]
        if missing:
            raise DemoError(
                f"CLUSTER=kind needs {', '.join(missing)}: install it, or use `make demo` without kind"
            )
        if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
            raise DemoError("no Docker engine answers: start Docker, or use `make demo` without CLUSTER=kind")
        self.kubectl = "kubectl"
        self.helm = "helm"
        self.down_command = "make down CLUSTER=kind"

    def up(self) -> None:
        """Creates the kind cluster of kind-config.yaml."""
        if self.NAME not in capture("kind", "get", "clusters").split():
            stream("kind", "create", "cluster", "--name", self.NAME, "--config", ROOT / "kind-config.yaml")
        stream("kubectl", "config", "use-context", f"kind-{self.NAME}")

    def load_images(self) -> list[str]:
        """Builds with Docker and loads into the kind node."""
        references = capture("images/build", "--builder", "docker", *IMAGES, show_errors=True).split()
        stream("kind", "load", "docker-image", "--name", self.NAME, *references)
        return references

    def down(self) -> None:
        """Deletes the kind cluster."""
        stream("kind", "delete", "cluster", "--name", self.NAME)


def provider(name: str) -> Provider:
    """The provider by the name that CLUSTER= has."""
    match name:
        case "local":
            return Local()
        case "kind":
            return Kind()
        case _:
            raise DemoError(f"CLUSTER={name} is unknown: use local or kind")


def documents() -> list[Path]:
    """The documents that the demo uploads."""
    folder = ROOT / "examples" / "documents"
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in (".pdf", ".docx", ".html", ".md") and path.stem != "README"
    )
