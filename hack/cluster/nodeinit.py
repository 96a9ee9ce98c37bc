"""Turn a process in fresh namespaces into a node: its own mounts, host name and network.

Runs as process 1 of the node. All it mounts and configures belongs to the namespaces and vanishes with them.
"""

import socket
import time
from pathlib import Path

from cluster.components import NodePlan
from cluster.errors import ClusterError
from cluster.run import run
from cluster.state import Place

NODE_STATE = Path("/run/ragops/state")
NODE_BIN = Path("/run/ragops/bin")
LINK = "eth0"
_LINK_SECONDS = 20.0
# The kubelet insists on these settings of the whole kernel. It gets files of the node's own in their place,
# so the host keeps its values.
_KERNEL_SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)


def make_node(plan: NodePlan, place: Place) -> Path:
    """Set the node up; returns where the cluster's files are from now on.

    Raises ClusterError when a mount fails or the host does not provide the network link.
    """
    socket.sethostname(plan.hostname)
    _mount(place, Path(plan.bin_folder))
    _network(plan)
    return NODE_STATE


def _mount(place: Place, bin_folder: Path) -> None:
    """Give the node a /run in memory, and a /var/lib, /var/log and /tmp in the cluster's state folder."""
    # Made aside and moved: the folders to show in it may themselves lie below /run.
    memory = place.node / "run"
    memory.mkdir(parents=True, exist_ok=True)
    run(["mount", "--no-mtab", "-t", "tmpfs", "-o", "mode=755", "ragops-run", memory])
    for source, target in ((place.root, NODE_STATE), (bin_folder, NODE_BIN)):
        seen = memory / target.relative_to("/run")
        seen.mkdir(parents=True)
        run(["mount", "--no-mtab", "--bind", source, seen])
    run(["mount", "--no-mtab", "--move", memory, "/run"])
    for hidden, mode in (("/var/lib", 0o755), ("/var/log", 0o755), ("/tmp", 0o1777)):
        own = NODE_STATE / "node" / hidden.strip("/").replace("/", "-")
        own.mkdir(exist_ok=True)
        own.chmod(mode)
        run(["mount", "--no-mtab", "--bind", own, hidden])
    run(["mount", "--no-mtab", "-t", "proc", "proc", "/proc"])
    for setting in _KERNEL_SETTINGS:
        own = Path("/run/ragops/kernel", setting)
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_text(Path("/proc/sys", setting).read_text())
        run(["mount", "--no-mtab", "--bind", own, Path("/proc/sys", setting)])
    # The kubelet, containerd and the pods' volumes see each other's mounts; the host sees none of them.
    run(["mount", "--no-mtab", "--make-rshared", "/"])


def _network(plan: NodePlan) -> None:
    end = time.monotonic() + _LINK_SECONDS
    while LINK not in (name for _, name in socket.if_nameindex()):
        if time.monotonic() > end:
            raise ClusterError(f"the host gave this node no network link {LINK} within {_LINK_SECONDS:.0f} s")
        time.sleep(0.02)
    run(["ip", "link", "set", "lo", "up"])
    run(["ip", "address", "add", plan.address, "dev", LINK])
    run(["ip", "link", "set", LINK, "up"])
    run(["ip", "route", "add", "default", "via", plan.gateway])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
