"""The cgroup below which a node's pods run. Unlike all else of a node it outlives the node's processes."""

import os
import time
from pathlib import Path

from cluster.errors import ClusterError
from cluster.state import Place

_ROOT = Path("/sys/fs/cgroup")
_REMOVE_SECONDS = 10.0


def name(place: Place) -> str:
    """The kubelet's cgroupRoot for a cluster's node."""
    return f"/{place.identity}"


def create(cgroup: str) -> None:
    """Make the cgroup in every hierarchy, as the kubelet demands to find it.

    Raises ClusterError where cgroups may not be changed.
    """
    try:
        _create(cgroup)
    except OSError as error:
        raise ClusterError(
            f"making cgroup {cgroup} failed: {error}. The node needs a writable {_ROOT} with all controllers "
            "for its use; inside a container it has that only with --privileged."
        ) from error


def remove(cgroup: str) -> None:
    """Remove the cgroup and all below it. Raises ClusterError when processes are still in it."""
    end = time.monotonic() + _REMOVE_SECONDS
    for hierarchy in _hierarchies():
        folder = hierarchy / cgroup.lstrip("/")
        while folder.exists() and not _remove(folder):
            # Processes that were killed leave their cgroup a moment later.
            if time.monotonic() > end:
                raise ClusterError(f"cgroup {folder} is still in use: see the cgroup.procs files below it")
            time.sleep(0.05)


def _create(cgroup: str) -> None:
    if _is_version_2():
        available = (_ROOT / "cgroup.controllers").read_text().split()
        (_ROOT / "cgroup.subtree_control").write_text(" ".join(f"+{controller}" for controller in available))
    for hierarchy in _hierarchies():
        folder = hierarchy / cgroup.lstrip("/")
        folder.mkdir(exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # Version 1: empty in a new cgroup, and no process may enter while they are.
            if hierarchy.name == "cpuset" and (folder / setting).exists():
                (folder / setting).write_text((hierarchy / setting).read_text())


def _hierarchies() -> list[Path]:
    """The mount points: one for cgroup version 2, one per controller for version 1."""
    if _is_version_2():
        return [_ROOT]
    # A name such as cpu,cpuacct has links for each of its parts.
    return [path for path in sorted(_ROOT.iterdir()) if path.is_dir() and not path.is_symlink()]


def _is_version_2() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _remove(folder: Path) -> bool:
    for path, _, _ in os.walk(folder, topdown=False):
        try:
            Path(path).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
