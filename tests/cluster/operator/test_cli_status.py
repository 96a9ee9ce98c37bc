"""`kubectl rag status`, `explain` and `wait` beside a running operator."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pytest
import yaml

from ..conftest import Cluster
from .command import PROGRAM, Command
from .conftest import StartOperator
from .forwarder import Way, forwarding
from .space import Space, services

HELD = {"image": "test/held:1", "startup": {"timeoutSeconds": 5}}


@contextmanager
def running(process: subprocess.Popen[str]) -> Iterator[IO[str]]:
    """Its output, line by line; the process does not outlive the test."""
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("operator")
def test_a_failed_start_is_seen_in_the_tree_and_explained(command: Command, space: Space) -> None:
    space.apply_rag(services(generation=HELD))
    space.await_state("generation", "Failed")
    space.await_state("retrieval", "Ready")
    page = command("status", "demo")
    lines = page.splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in page
    assert lines[0].startswith(f"demo  namespace {space.namespace}, 4/6 services ready")
    assert any(line.split()[:2] == ["Ready", "False"] for line in lines)
    tree = lines[lines.index("") + 2 :]
    assert [line[:9].rstrip() for line in tree[:3]] == ["api", "│  waits", "├─ docume"]
    assert any(line.startswith("│     └─ vector-store  Ready") for line in tree)
    failed = next(i for i, line in enumerate(tree) if line.startswith("└─ generation          Failed"))
    assert tree[failed + 1].strip().startswith("StartupTimeout: not ready after 5 s")

    told = command("explain", "demo")
    assert told.startswith("generation: Failed, ")
    assert "api waits for generation" in told
    assert "the start hangs on generation, which is Failed" in " ".join(
        command("explain", "demo", "api").split()
    )


@pytest.mark.usefixtures("operator")
def test_json_is_status(command: Command, space: Space) -> None:
    space.apply_rag(services("generation", generation={"replicas": 2}))
    space.await_ready()
    shown = json.loads(command("status", "demo", "-o", "json"))
    stored = space.get("RAGDeployment", "demo")
    assert (shown["name"], shown["namespace"]) == ("demo", space.namespace)
    assert shown["generation"] == shown["observedGeneration"] == stored["metadata"]["generation"]
    assert shown["conditions"] == stored["status"]["conditions"]
    (service,) = shown["services"]
    assert (service["wantedReplicas"], service["dependsOn"]) == (2, [])
    assert service.items() >= stored["status"]["services"][0].items()


def test_watch_follows_until_ctrl_c(command: Command, space: Space, start_operator: StartOperator) -> None:
    space.apply_rag(services("generation"))
    process = command.start("status", "demo", "--watch", "-o", "json")
    with running(process) as output:
        assert json.loads(output.readline())["observedGeneration"] is None
        start_operator()
        seen: list[str | None] = []
        while "Ready" not in seen:
            seen += [
                service["state"]
                for service in json.loads(output.readline())["services"]
                if "state" in service
            ]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert "Starting" in seen


def test_watch_ends_when_the_object_is_deleted(command: Command, space: Space) -> None:
    space.apply_rag(services("generation"))
    process = command.start("status", "demo", "-w")
    with running(process) as output:
        assert output.readline().startswith("demo  namespace")
        space.delete("RAGDeployment", "demo")
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (1, "error: demo was deleted\n")


def test_wait_ends_when_the_condition_comes(
    command: Command, space: Space, start_operator: StartOperator
) -> None:
    space.apply_rag(services("generation", generation={"image": "test/held:1"}))
    process = command.start("wait", "demo", "--timeout", "60s")
    with running(process):
        start_operator()
        space.await_state("generation", "Starting")
        assert process.poll() is None
        space.set_ready("generation")
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "demo: Ready is True\n", "")


def test_watch_goes_on_when_the_server_is_back(cluster: Cluster, command: Command, space: Space) -> None:
    space.apply_rag(services("generation"))
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    port = int(config["clusters"][0]["cluster"]["server"].rpartition(":")[2])
    with forwarding(port) as way:
        config["clusters"][0]["cluster"]["server"] = way.url
        kubeconfig = command.folder / "forwarded"
        kubeconfig.write_text(json.dumps(config))
        through = Command(kubeconfig, space.namespace, command.folder)
        process = through.start("status", "demo", "--watch", "-o", "json")
        with running(process) as output:
            assert json.loads(output.readline())["paused"] is False
            way.set(Way.REFUSED)
            assert process.stderr is not None
            assert process.stderr.readline().startswith(
                f"warning: the API server {way.url} cannot be reached ("
            )
            space.patch("RAGDeployment", "demo", {"spec": {"paused": True}})
            way.set(Way.OPEN)
            assert json.loads(output.readline())["paused"] is True
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == 0


@pytest.mark.usefixtures("operator")
def test_wait_tells_at_its_timeout_what_stands_in_the_way(command: Command, space: Space) -> None:
    space.apply_rag(services("generation", generation=HELD))
    space.await_state("generation", "Failed")
    answer = command.run("wait", "demo", "--timeout", "1s", "-n", space.namespace)
    assert (answer.status, answer.output) == (3, "")
    assert "not within 1s: Ready is True (demo): it is False, ServicesNotReady" in answer.errors
    assert "StartupTimeout" in answer.errors
    assert answer.errors.endswith("see kubectl rag explain demo\n")
    assert command("wait", "demo", "--for", "condition=degraded", "--timeout=0") == "demo: Degraded is True\n"


def test_wait_for_deletion(command: Command, space: Space) -> None:
    space.apply_rag(services("generation"))
    process = command.start("wait", "demo", "--for", "delete")
    with running(process):
        space.delete("RAGDeployment", "demo")
        assert process.communicate(timeout=30)[0] == "demo: deleted\n"
    assert process.returncode == 0
    assert command("wait", "demo", "--for", "delete") == "demo: deleted\n"


def test_kubectl_finds_the_plugin_and_completes_from_the_cluster(
    cluster: Cluster, command: Command, space: Space
) -> None:
    space.apply_rag(services("generation", "retrieval"))

    def kubectl(*words: str) -> list[str]:
        done = subprocess.run(
            [cluster.kubectl, *words],
            env=command.environment,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.splitlines()

    assert PROGRAM.with_name("kubectl_complete-rag").exists(), "installed with the package"
    assert kubectl("rag", "status", "demo", "-n", space.namespace)[0].startswith("demo  namespace")
    where = ["-n", space.namespace]
    assert kubectl("__complete", "rag", "rollout", "pro") == ["promote", ":4"]
    assert kubectl("__complete", "rag", "status", *where, "") == ["demo", ":4"]
    assert kubectl("__complete", "rag", "explain", *where, "demo", "") == ["generation", "retrieval", ":4"]
    assert kubectl("__complete", "rag", "status", "-n", "nowhere", "") == [":4"]
