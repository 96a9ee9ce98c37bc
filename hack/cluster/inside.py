"""Run commands inside a node."""

from collections.abc import Sequence
from pathlib import Path

from cluster import processes
from cluster.errors import ClusterError
from cluster.run import run
from cluster.state import Cluster, Place


def require_node(place: Place) -> int:
    """The process id, on the host, of the node's first process.

    Raises ClusterError when the cluster has no node or does not run.
    """
    cluster = Cluster.load(place)
    if cluster is None:
        raise ClusterError(f"there is no cluster {place.name}: make it with up")
    if cluster.profile != "node":
        raise ClusterError(f"cluster {place.name} has profile {cluster.profile}: no node, no images")
    pid = processes.supervisor(place)
    if pid is None:
        raise ClusterError(f"cluster {place.name} does not run: start it with up")
    return pid


def enter(place: Place, command: Sequence[str | Path]) -> list[str]:
    """The command line that runs a command in the node's namespaces; raises as require_node."""
    pid = require_node(place)
    return ["nsenter", "--target", str(pid), "--all", "--", *(str(part) for part in command)]


def run_inside(place: Place, command: Sequence[str | Path]) -> str:
    """Run a command in the node and return its stdout; raises ClusterError when it fails."""
    return run(enter(place, command), timeout=600)
