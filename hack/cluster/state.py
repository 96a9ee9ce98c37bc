"""Where a cluster keeps its files, and the record of what it is."""

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from cluster.errors import ClusterError

Profile = Literal["node", "fake"]
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?")


def clusters_folder() -> Path:
    """The folder with one folder per cluster, below $XDG_STATE_HOME or ~/.local/state."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base).expanduser().resolve() / "ragops" / "clusters"


@dataclass(frozen=True)
class Place:
    """The files of one cluster, below a folder of its own."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str) -> "Place":
        """The place of a cluster with this name, which need not exist. Raises ClusterError for a bad name."""
        if not _NAME.fullmatch(name):
            raise ClusterError(
                f"cluster name {name!r} is not usable: at most 30 lower-case letters, digits, inner hyphens"
            )
        return cls(name, clusters_folder() / name)

    @property
    def identity(self) -> str:
        """Unique among all clusters of this machine, whoever made them: marks what they share of it."""
        return f"ragops-{self.name}-{hashlib.sha256(str(self.root).encode()).hexdigest()[:8]}"

    @property
    def lock(self) -> Path:
        """Held by a command that changes the cluster; outside ``root``, which such a command may remove."""
        return self.root.parent / f".{self.name}.lock"

    @property
    def record(self) -> Path:
        """What the cluster is: see Cluster."""
        return self.root / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        """Full access to the cluster."""
        return self.root / "kubeconfig"

    @property
    def token(self) -> Path:
        """The bearer token of ``kubeconfig``."""
        return self.root / "config" / "admin-token"

    @property
    def config(self) -> Path:
        """Configuration files of the components."""
        return self.root / "config"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """One log per component, and the audit log."""
        return self.root / "logs"

    @property
    def node(self) -> Path:
        """What the node sees as its /var/lib, /var/log and /tmp."""
        return self.root / "node"

    @property
    def plan(self) -> Path:
        """What the supervisor is to run."""
        return self.root / "plan.json"

    @property
    def status(self) -> Path:
        """What the supervisor runs."""
        return self.root / "status.json"

    @property
    def supervisor(self) -> Path:
        """Locked by the supervisor as long as it lives; holds its process id."""
        return self.root / "supervisor.pid"


@dataclass(frozen=True)
class Cluster:
    """What a cluster is, decided when it is made."""

    name: str
    profile: Profile
    server: str
    """URL of the API server."""
    subnet: int | None
    """Node profile: the number that all of its addresses and device names carry."""
    ports: dict[str, int]
    """Fake profile: the loopback port of each component."""

    @property
    def has_metrics(self) -> bool:
        """Whether it serves the resource metrics API."""
        return self.profile == "node" or "metrics-server" in self.ports

    def save(self, place: Place) -> None:
        """Write the record."""
        write_atomically(place.record, json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, place: Place) -> "Cluster | None":
        """Read the record; None where there is no cluster, or not enough of one to have a record."""
        try:
            return cls(**json.loads(place.record.read_text()))
        except FileNotFoundError:
            return None


def existing() -> list[Place]:
    """The places of all clusters, by name."""
    folder = clusters_folder()
    if not folder.is_dir():
        return []
    return [Place(path.name, path) for path in sorted(folder.iterdir()) if path.is_dir()]


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as handle:
        handle.write(text)
    fresh.replace(path)
