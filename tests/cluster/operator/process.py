"""The operator as users run it: a process of its own, with the permissions that the chart gives it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from .eventually import eventually


def free_port() -> int:
    """A port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class OperatorProcess:
    """`ragops operator` for one namespace; the Lease is in that namespace too."""

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        folder: Path,
        name: str = "ragops-0",
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.port = free_port()
        self._log = folder / f"{name}.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            # Where the client keeps what it has discovered of the API.
            "TMPDIR": str(folder),
            "KUBECONFIG": str(kubeconfig),
            "POD_NAME": name,
            "POD_NAMESPACE": namespace,
            "RAGOPS_WATCH_NAMESPACES": namespace,
            "RAGOPS_IMAGE_SERVICES": "test/services:1",
            "RAGOPS_IMAGE_POSTGRES": "test/postgres:1",
            "RAGOPS_IMAGE_HAPROXY": "test/haproxy:1",
            "RAGOPS_IMAGE_OPERATOR": "test/operator:1",
            "RAGOPS_PORT": str(self.port),
            "RAGOPS_LOG_LEVEL": "debug",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, ready: bool = True) -> "OperatorProcess":
        """Starts the process and, unless told otherwise, waits until it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).with_name("ragops"), "operator"],
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if ready:
            eventually(self.is_ready, f"{self.name} is ready; its log: {self._log}", 60)
        return self

    def is_ready(self) -> bool:
        """What /readyz says. Fails the test when the process has ended."""
        assert self._child.poll() is None, f"{self.name} ended: {self.log()[-2000:]}"
        return self.status_of("/readyz") == 200

    def status_of(self, path: str) -> int | None:
        """HTTP status of a path of the operator's endpoint; None where nothing listens yet."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}").status_code
        except httpx.TransportError:
            return None

    def metric(self, sample: str) -> float | None:
        """The value of a sample in /metrics, such as `ragops_leader` or `a_total{verb="apply"}`."""
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics").text
        values = (line.rpartition(" ") for line in text.splitlines())
        return next((float(value) for name, _, value in values if name == sample), None)

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal, SIGSTOP for instance."""
        self._child.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        self._child.kill()
        self._child.wait()

    def terminate(self) -> tuple[int, float]:
        """SIGTERM. Returns the exit status and the seconds that the end took."""
        started = time.monotonic()
        self._child.terminate()
        return self.wait(), time.monotonic() - started

    def wait(self) -> int:
        """The exit status, once the process has ended by itself."""
        return self._child.wait(timeout=30)

    def log(self) -> str:
        """All that the process has said."""
        return self._log.read_text()

    def end(self) -> None:
        """Kills the process if it still runs."""
        if self._process is not None and self._process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()

    @property
    def _child(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process
