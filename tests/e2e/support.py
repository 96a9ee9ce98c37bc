"""What the end-to-end tests work with: kubectl, helm, waiting on conditions, the API of a RAG system."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


def eventually(check: Callable[[], T | None], seconds: float, what: str, every: float = 0.5) -> T:
    """The first truthy answer of `check`. Fails with `what` and the last answer after `seconds`."""
    deadline = time.monotonic() + seconds
    answer: T | None = None
    while time.monotonic() < deadline:
        if answer := check():
            return answer
        time.sleep(every)
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last answer: {answer!r}")


def run(*command: str | Path, stdin: str | None = None, check: bool = True) -> str:
    """Runs a program; its error output is the failure's message."""
    done = subprocess.run(
        [str(part) for part in command], cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}")
    return done.stdout


@dataclass(frozen=True)
class Site:
    """A running cluster with ragops installed."""

    cluster: str
    kubeconfig: Path
    kubectl_path: Path
    helm_path: Path
    audit_log: Path
    images: tuple[str, ...]
    """References of the images built here: operator, services, postgres."""

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Runs kubectl."""
        return run(self.kubectl_path, "--kubeconfig", self.kubeconfig, *arguments, stdin=stdin, check=check)

    def helm(self, *arguments: str) -> str:
        """Runs helm."""
        return run(self.helm_path, "--kubeconfig", self.kubeconfig, *arguments)

    def get(self, namespace: str, kind: str, *names: str) -> Any:
        """Objects as JSON: one, or the items of a list."""
        out = self.kubectl("-n", namespace, "get", kind, *names, "-o", "json", "--ignore-not-found")
        answer = json.loads(out) if out.strip() else {"items": []}
        return answer if len(names) == 1 and not names[0].startswith("-") else answer["items"]

    def apply(self, namespace: str, *objects: Mapping[str, Any]) -> None:
        """Applies objects to a namespace, which is made when it is missing."""
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        self.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(space))
        self.kubectl("-n", namespace, "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))

    def status(self, namespace: str, name: str) -> dict[str, Any]:
        """The status of a RAGDeployment."""
        status: dict[str, Any] = self.get(namespace, "rag", name).get("status") or {}
        return status

    def service(self, namespace: str, name: str, service: str) -> dict[str, Any]:
        """The status of one service; empty as long as there is none."""
        services = self.status(namespace, name).get("services", [])
        return next((s for s in services if s["name"] == service), {})

    def condition(self, namespace: str, name: str, kind: str) -> dict[str, Any]:
        """One condition; empty as long as there is none."""
        conditions = self.status(namespace, name).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def wait_ready(self, namespace: str, name: str, seconds: float = 300) -> dict[str, Any]:
        """Waits for the condition Ready and returns it."""

        def ready() -> dict[str, Any] | None:
            condition = self.condition(namespace, name, "Ready")
            return condition if condition.get("status") == "True" else None

        return eventually(ready, seconds, f"{namespace}/{name} is ready")

    @contextmanager
    def api(self, namespace: str, service: str) -> Iterator[httpx.Client]:
        """An HTTP client of a Service, through `kubectl port-forward`."""
        command = [self.kubectl_path, "--kubeconfig", self.kubeconfig, "-n", namespace, "port-forward"]
        command += ["--address", "127.0.0.1", f"service/{service}", ":8080"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as forward:
            try:
                assert forward.stdout is not None
                line = forward.stdout.readline()
                found = re.search(r"127\.0\.0\.1:(\d+)", line)
                assert found, line
                with httpx.Client(base_url=f"http://127.0.0.1:{found[1]}", timeout=60) as client:
                    yield client
            finally:
                forward.terminate()


class Load:
    """A few clients that post the same request again and again, for a bounded time."""

    SECONDS_AT_MOST = 180

    def __init__(
        self, client: httpx.Client, path: str, body: Mapping[str, Any], clients: int = 4, pause: float = 0
    ) -> None:
        """`pause`: seconds between an answer and the client's next request."""
        self.answered = 0
        self.failed = 0
        """Answered with a status of 500 or above."""
        self._client, self._path, self._body, self._pause = client, path, body, pause
        self._stop = threading.Event()
        self._until = datetime.now(UTC) + timedelta(seconds=self.SECONDS_AT_MOST)
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(self._pause) and datetime.now(UTC) < self._until:
            try:
                answer = self._client.post(self._path, json=self._body)
                self.answered += answer.is_success
                self.failed += answer.is_server_error
            except httpx.HTTPError:
                self._stop.wait(0.2)  # overloaded: that is the point


EMBEDDING = {
    "model": "all-MiniLM-L6-v2",
    "input": [f"the tram number {n} leaves the depot at dawn" for n in range(32)],
}
"""A request that keeps an Embeddings service at work for a while."""


def rag(name: str, services: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    """A RAGDeployment."""
    return {
        "apiVersion": "ragops.dev/v1alpha1",
        "kind": "RAGDeployment",
        "metadata": {"name": name},
        "spec": {"services": services, **spec},
    }


def pids_of_pod(uid: str) -> list[int]:
    """Processes of a pod on this machine, by their cgroup."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if uid in (folder / "cgroup").read_text():
                    found.append(int(folder.name))
            except OSError:
                continue  # ended meanwhile
    return found
