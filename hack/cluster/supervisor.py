"""The process that runs a cluster's components: starts and stops them in order, restarts what dies.

In the node profile it is process 1 of the node's own namespaces, so whatever ends it ends the whole node. In
the fake profile each component asks the kernel to be killed with it.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cluster.components import Component, Plan
from cluster.nodeinit import make_node
from cluster.probes import answers
from cluster.state import Place, write_atomically

_RESTART_SECONDS = 1.0
_STOP_SECONDS = 3.0
_PROBE_SECONDS = 0.1


@dataclass
class Process:
    """How one component fares; a field of status.json."""

    pid: int = 0
    """0 while it does not run. In the node profile an id of the node's namespace."""
    starts: int = 0
    ready: bool = False
    exit: str = ""
    """How it ended the last time."""


@dataclass
class Status:
    """Content of status.json."""

    started: bool = False
    """Every stage has been started and has answered once."""
    processes: dict[str, Process] = field(default_factory=dict)

    @classmethod
    def load(cls, place: Place) -> "Status":
        """Read what the supervisor wrote last; an empty status before that."""
        try:
            content = json.loads(place.status.read_text())
        except FileNotFoundError:
            return cls()
        processes = {name: Process(**entry) for name, entry in content["processes"].items()}
        return cls(content["started"], processes)


def supervise(place: Place) -> None:
    """Run the plan of a cluster until SIGTERM or SIGINT."""
    # Held, and thus the file kept open, as long as this process lives.
    lock = claim(place)
    plan = Plan.load(place)
    state, authority = place.root, Path(plan.authority)
    if plan.node:
        state = make_node(plan.node, place)
    seen = Place(place.name, state)
    Supervisor(plan, seen, authority).run()
    os.close(lock)


def claim(place: Place) -> int:
    """Mark this process as the supervisor of the cluster; returns the open lock file."""
    lock = os.open(place.supervisor, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    # Not refused at once: those who ask whether a supervisor lives take the lock, too, for a moment.
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.ftruncate(lock, 0)
    # /proc is still the host's, so this is the process id that the host knows.
    os.write(lock, os.readlink("/proc/self").encode())
    return lock


class Supervisor:
    """Starts, watches and stops the components of one plan."""

    def __init__(self, plan: Plan, place: Place, authority: Path) -> None:
        self._plan = plan
        self._place = place
        self._authority = authority
        self._components = {component.name: component for stage in plan.stages for component in stage}
        self._status = Status(processes={name: Process() for name in self._components})
        self._restart_at: dict[str, float] = {}
        self._stopping = False
        self._wakeup, wakeup = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop_signal)
        signal.signal(signal.SIGINT, self._stop_signal)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def run(self) -> None:
        """Start every stage, then keep the components running until told to stop."""
        for stage in self._plan.stages:
            for component in stage:
                self._start(component)
            while not self._stopping and not all(self._is_ready(component) for component in stage):
                self._turn(_PROBE_SECONDS)
        self._status.started = not self._stopping
        self._save()
        while not self._stopping:
            waiting = not all(self._is_ready(component) for component in self._components.values())
            self._turn(_PROBE_SECONDS if waiting else None)
        self._stop()

    def _stop_signal(self, *_: object) -> None:
        self._stopping = True

    def _is_ready(self, component: Component) -> bool:
        process = self._status.processes[component.name]
        if not process.ready and process.pid:
            process.ready = not component.ready or answers(component.ready, self._authority)
            self._save()
        return process.ready

    def _turn(self, seconds: float | None) -> None:
        """Wait for a signal or for the time to pass, then collect what ended and restart what is due."""
        now = time.monotonic()
        due = [at - now for at in self._restart_at.values()]
        waits = due + ([seconds] if seconds is not None else [])
        select.select([self._wakeup], [], [], max(0.0, min(waits)) if waits else None)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, 4096)
        self._reap()
        for name in [name for name, at in self._restart_at.items() if at <= time.monotonic()]:
            if not self._stopping:
                self._start(self._components[name])

    def _start(self, component: Component) -> None:
        self._restart_at.pop(component.name, None)
        with (self._place.logs / f"{component.name}.log").open("ab") as log:
            child = subprocess.Popen(
                # Should this process be killed, the kernel kills the component.
                ("setpriv", "--pdeathsig", "KILL", *component.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
        process = self._status.processes[component.name]
        process.pid, process.ready, process.starts = child.pid, False, process.starts + 1
        # Collected by _reap together with orphans; Popen would wait for it a second time.
        child.returncode = 0
        self._save()

    def _reap(self) -> None:
        """Collect every child that has ended: components, and the orphans that process 1 is left with."""
        while True:
            try:
                pid, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name, process in self._status.processes.items():
                if process.pid == pid:
                    process.pid, process.exit = 0, _describe(os.waitstatus_to_exitcode(code))
                    self._restart_at[name] = time.monotonic() + _RESTART_SECONDS
                    self._save()

    def _stop(self) -> None:
        """Stop the last stage first, so that nothing loses what it needs while it ends."""
        for stage in reversed(self._plan.stages):
            names = [component.name for component in stage]
            self._signal(names, signal.SIGTERM)
            end = time.monotonic() + _STOP_SECONDS
            while self._running(names) and time.monotonic() < end:
                self._turn(_PROBE_SECONDS)
            self._signal(names, signal.SIGKILL)
            while self._running(names):
                self._turn(_PROBE_SECONDS)

    def _running(self, names: list[str]) -> list[int]:
        return [pid for name in names if (pid := self._status.processes[name].pid)]

    def _signal(self, names: list[str], number: signal.Signals) -> None:
        for pid in self._running(names):
            os.kill(pid, number)

    def _save(self) -> None:
        write_atomically(self._place.status, json.dumps(asdict(self._status), indent=2) + "\n")


def _describe(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
