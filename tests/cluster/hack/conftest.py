"""Drives hack/cluster as a person would, by its command line, with a state folder and kubeconfig apart."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[3] / "hack" / "cluster"


def eventually(check: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait until a check holds; fails with ``what`` when it does not in time."""
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def unique_name() -> str:
    """A cluster name that nobody else uses."""
    return f"hk-{uuid.uuid4().hex[:6]}"


@dataclass
class Home:
    """A user's folders, with the tool and kubectl run as that user."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kube" / "config"

    def tool(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run hack/cluster."""
        return subprocess.run(
            [sys.executable, TOOL, *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start hack/cluster without waiting for its end."""
        return subprocess.Popen(
            [sys.executable, TOOL, *arguments],
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def up(self, name: str, *arguments: str | Path) -> "Running":
        """Bring a cluster up; fails with the tool's output when that fails."""
        done = self.tool("up", "--name", name, *arguments)
        assert done.returncode == 0, done.stderr
        return Running(self, name)

    def state(self, name: str) -> Path:
        """The state folder of a cluster."""
        return self.folder / "state" / "ragops" / "clusters" / name

    def kubectl(self, *arguments: str | Path, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl with this user's kubeconfig."""
        done = subprocess.run(
            [kubectl(), *arguments],
            env=self._environment(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def _environment(self) -> dict[str, str]:
        own = {"XDG_STATE_HOME": str(self.folder / "state"), "KUBECONFIG": str(self.kubeconfig)}
        return {**os.environ, **own, **self.environment}


@dataclass(frozen=True)
class Running:
    """A cluster that came up."""

    home: Home
    name: str

    @property
    def state(self) -> Path:
        return self.home.state(self.name)

    def kubectl(self, *arguments: str | Path, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl on this cluster."""
        own = ("--kubeconfig", self.state / "kubeconfig")
        return self.home.kubectl(*own, *arguments, stdin=stdin, check=check)

    def get(self, *arguments: str) -> Any:
        """``kubectl get`` as JSON; an empty list where there is nothing."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json", check=False) or '{"items": []}')

    def inside(self, *command: str) -> str:
        """Run a command in the node."""
        done = self.home.tool("exec", "--name", self.name, "--", *command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def supervisor(self) -> int:
        return int((self.state / "supervisor.pid").read_text())

    def pids(self) -> dict[str, int]:
        """Process ids by component; in profile node those of the node's own namespace."""
        content = json.loads((self.state / "status.json").read_text())
        return {name: entry["pid"] for name, entry in content["processes"].items()}

    def kill(self) -> None:
        """SIGKILL the supervisor."""
        os.kill(self.supervisor(), signal.SIGKILL)


def kubectl() -> Path:
    """kubectl of the cluster's version, built when missing."""
    command = [sys.executable, str(TOOL), "binaries", "kubectl"]
    return Path(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A user with nothing yet; all of its clusters are removed in the end."""
    made = Home(tmp_path)
    yield made
    done = made.tool("down", "--all")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """As ``home``, for clusters that several tests look at."""
    made = Home(tmp_path_factory.mktemp("home"))
    yield made
    done = made.tool("down", "--all")
    assert done.returncode == 0, done.stderr
