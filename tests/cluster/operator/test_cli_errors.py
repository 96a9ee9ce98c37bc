"""What `kubectl rag` cannot do is told in one line with the mend, and exit status 1."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..conftest import Cluster
from .command import Command, the_error
from .space import Space, services

Changed = Callable[[dict[str, Any]], object]


@pytest.fixture
def with_kubeconfig(command: Command, cluster: Cluster, tmp_path: Path) -> Callable[[Changed], Command]:
    """The command with another kubeconfig: the cluster's one after a change."""

    def build(change: Changed) -> Command:
        config = yaml.safe_load(cluster.kubeconfig.read_text())
        change(config)
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(config))
        return Command(path, command.namespace, tmp_path)

    return build


def test_without_a_kubeconfig(command: Command, tmp_path: Path) -> None:
    nowhere = {"KUBECONFIG": str(tmp_path / "nowhere")}
    told = the_error(command.run("status", "demo", environment=nowhere))
    assert told.startswith(f"there is no kubeconfig at {tmp_path}/nowhere; name one with --kubeconfig")


@pytest.mark.parametrize("content", ["", "- 1", "{}", "a: b: c", "\x00"])
def test_a_file_that_is_no_kubeconfig(command: Command, tmp_path: Path, content: str) -> None:
    path = tmp_path / "other"
    path.write_text(content)
    assert "kube" in command.refused("status", "demo", "--kubeconfig", str(path))


def test_an_unknown_context(command: Command) -> None:
    told = command.refused("status", "demo", "--context", "nix")
    assert told == "the kubeconfig has no context 'nix'; it has ragops"


def test_no_server(with_kubeconfig: Callable[[Changed], Command]) -> None:
    def change(config: dict[str, Any]) -> None:
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"

    told = with_kubeconfig(change).refused("status", "demo")
    assert told.startswith("the API server https://127.0.0.1:9 cannot be reached (")
    assert told.endswith("is the cluster running, and is this the right --context?")


def test_a_server_that_is_not_trusted(with_kubeconfig: Callable[[Changed], Command]) -> None:
    def change(config: dict[str, Any]) -> None:
        del config["clusters"][0]["cluster"]["certificate-authority-data"]

    assert "its certificate is not trusted" in with_kubeconfig(change).refused("status", "demo")


def test_wrong_credentials(with_kubeconfig: Callable[[Changed], Command]) -> None:
    def change(config: dict[str, Any]) -> None:
        config["users"][0]["user"] = {"token": "wrong"}

    assert "does not accept these credentials; log in again" in with_kubeconfig(change).refused("status", "a")


def test_without_permission(
    cluster: Cluster, space: Space, with_kubeconfig: Callable[[Changed], Command]
) -> None:
    space.create("ServiceAccount", "nobody")
    token = cluster.run("create", "token", "nobody", "--namespace", space.namespace).strip()

    def change(config: dict[str, Any]) -> None:
        config["users"][0]["user"] = {"token": token}

    told = with_kubeconfig(change).refused("status", "demo")
    assert 'cannot get resource "ragdeployments"' in told
    assert told.endswith("reading needs the role view in this namespace, changing the role edit")


@pytest.mark.usefixtures("no_crd")
def test_without_the_crd(command: Command) -> None:
    told = command.refused("status", "demo")
    assert "does not know RAGDeployment (ragops.dev/v1alpha1); install its CustomResourceDefinition" in told


def test_an_unknown_namespace(command: Command) -> None:
    answer = command.run("explain", "demo", "--namespace", "nowhere")
    assert answer.status == 1
    assert the_error(answer) == "there is no namespace 'nowhere'; name another one with -n"


def test_an_unknown_name_is_told_with_those_that_exist(command: Command, space: Space) -> None:
    there = f"namespace {space.namespace} has no RAGDeployment 'nix'; it has"
    assert command.refused("wait", "nix") == f"{there} none at all"
    for name in ("one", "two"):
        space.apply_rag(services("generation"), name=name)
    assert command.refused("wait", "nix") == f"{there} one, two"


def test_an_unknown_service_is_told_with_those_that_exist(command: Command, space: Space) -> None:
    space.apply_rag(services("generation", "retrieval"))
    for words in (
        ["explain", "demo", "nix"],
        ["rollout", "status", "demo", "nix"],
        ["rollout", "promote", "demo", "nix"],
        ["rollout", "undo", "demo", "nix"],
        ["wait", "demo", "--for", "rollout=nix"],
    ):
        assert command.refused(*words) == "demo has no service 'nix'; it has: generation, retrieval"


def test_wrong_use_has_a_status_of_its_own(command: Command) -> None:
    answer = command.run("wait", "demo", "--for", "condition=Nix")
    assert answer.status == 2
    assert "Traceback" not in answer.errors
