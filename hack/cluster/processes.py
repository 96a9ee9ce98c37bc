"""The supervisor seen from outside: start it, find it, end it."""

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cluster.errors import ClusterError
from cluster.state import Place
from cluster.supervisor import Status

# Namespaces of its own: when the supervisor, their first process, ends, all in them ends and is unmounted.
# Of the host's mounts and unmounts the node learns ("slave"), or it would keep alive what the host let go.
_NAMESPACES = (
    *("unshare", "--fork", "--kill-child", "--mount", "--propagation", "slave"),
    *("--pid", "--net", "--uts", "--ipc", "--"),
)
_PACKAGE = Path(__file__).resolve().parent
_LOG = "supervisor"
# Longer than the supervisor gives all its stages together.
_STOP_SECONDS = 20.0


def launch(place: Place, *, as_node: bool) -> subprocess.Popen[bytes]:
    """Start the supervisor as a daemon that outlives this process and its terminal."""
    command = (sys.executable, str(_PACKAGE), "_supervise", "--name", place.name)
    with (place.logs / f"{_LOG}.log").open("ab") as log:
        return subprocess.Popen(
            (*_NAMESPACES, *command) if as_node else command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )


def supervisor(place: Place) -> int | None:
    """The process id of the cluster's supervisor, None when it does not run.

    The supervisor holds a lock on its id file, so an id in use by some other process is never taken for it.
    """
    try:
        handle = os.open(place.supervisor, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        content = os.read(handle, 32)
        return int(content) if content else None
    else:
        return None
    finally:
        os.close(handle)


def stop(place: Place) -> None:
    """End the supervisor and everything it runs, and wait until they are gone.

    Raises ClusterError when that does not happen.
    """
    pid = supervisor(place)
    if pid is None:
        return
    ends = [os.pidfd_open(pid), *_children(place, pid)]
    try:
        signal.pidfd_send_signal(ends[0], signal.SIGTERM)
        if not _wait(ends[:1], _STOP_SECONDS):
            signal.pidfd_send_signal(ends[0], signal.SIGKILL)
        if not _wait(ends, _STOP_SECONDS):
            raise ClusterError(f"process {pid} of cluster {place.name} does not end, not even when killed")
    finally:
        for end in ends:
            os.close(end)


def _children(place: Place, supervisor_pid: int) -> list[int]:
    """Handles of the components. Not of a node's: their ids mean nothing here, and they end with its own."""
    handles = []
    for process in Status.load(place).processes.values():
        try:
            handle = os.pidfd_open(process.pid)
        except (OSError, ValueError):
            continue
        if _parent(process.pid) == supervisor_pid:
            handles.append(handle)
        else:
            os.close(handle)
    return handles


def _parent(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return 0
    # The command, in parentheses, may hold anything; state and parent follow it.
    return int(stat.rpartition(")")[2].split()[1])


def _wait(handles: Sequence[int], seconds: float) -> bool:
    """Whether all processes ended in time; a handle becomes readable when its process has ended."""
    left, end = list(handles), time.monotonic() + seconds
    while left and (remaining := end - time.monotonic()) > 0:
        ended, _, _ = select.select(left, [], [], remaining)
        left = [handle for handle in left if handle not in ended]
    return not left
