"""`kubectl rag rollout`: what it asks of a running operator, and what it changes in the object."""

import asyncio
from copy import deepcopy
from typing import Any

import pytest

from ragops.cli.client import Client, Target, connected
from ragops.cluster.errors import ConflictError

from ..conftest import Cluster
from .command import Command
from .eventually import eventually
from .space import Space

BLUE_GREEN = {
    "name": "generation",
    "type": "Generation",
    "replicas": 1,
    "rollout": {
        "strategy": "BlueGreen",
        "promotion": "Manual",
        "blueGreen": {"checkSeconds": 0, "scaleDownDelaySeconds": 0},
    },
}
OTHER = {"name": "retrieval", "type": "Retrieval", "dependsOn": []}


def apply(space: Space, image: str) -> None:
    """Two services, one of them with this image."""
    space.apply_rag([{**BLUE_GREEN, "image": image}, OTHER])


def await_phase(space: Space, phase: str | None) -> None:
    """Waits until the rollout is in a phase; None: until there is none."""

    def there() -> bool:
        rag = space.get("RAGDeployment", "demo")
        seen = rag["status"]["observedGeneration"] == rag["metadata"]["generation"]
        return seen and space.service("generation").get("rollout", {}).get("phase") == phase

    eventually(there, f"the rollout is {phase}")


def image(space: Space) -> str:
    """The image that the spec asks for."""
    wanted: str = space.get("RAGDeployment", "demo")["spec"]["services"][0]["image"]
    return wanted


@pytest.mark.usefixtures("operator")
def test_a_version_is_promoted_and_undone(command: Command, space: Space) -> None:
    apply(space, "test/services:1")
    assert command("wait", "demo") == "demo: Ready is True\n"
    assert command("rollout", "status", "demo") == "no service of demo has a rollout under way\n"
    assert "there is nothing to promote" in command.refused("rollout", "promote", "demo", "generation")
    apply(space, "test/services:2")
    await_phase(space, "Paused")
    told = " ".join(command("rollout", "status", "demo", "generation").split())
    assert "WaitingForPromotion" in told
    assert "next: kubectl rag rollout promote demo generation, or" in told
    assert "rollout: Paused" in command("status", "demo")

    assert "is asked to promote version" in command("rollout", "promote", "demo", "generation")
    assert command("wait", "demo", "--for", "rollout=generation", "--timeout", "60s").endswith("rolled out\n")

    told = command("rollout", "undo", "demo", "generation", "--dry-run")
    assert "  image: test/services:2 -> test/services:1\nnothing was changed: dry run\n" in told
    assert image(space) == "test/services:2"
    command("rollout", "undo", "demo", "generation")
    assert image(space) == "test/services:1"
    await_phase(space, "Paused")
    # A rollout under way goes back to what serves.
    command("rollout", "undo", "demo", "generation")
    assert image(space) == "test/services:2"
    await_phase(space, None)


@pytest.mark.usefixtures("operator")
def test_an_aborted_version_may_come_again_after_an_undo(command: Command, space: Space) -> None:
    apply(space, "test/services:1")
    space.await_ready()
    apply(space, "test/services:2")
    await_phase(space, "Paused")
    assert "is asked to abort version" in command("rollout", "abort", "demo", "generation")
    await_phase(space, "Aborted")
    assert image(space) == "test/services:2"
    assert "aborted already" in command.refused("rollout", "abort", "demo", "generation")
    assert "was aborted" in command.refused("wait", "demo", "--for", "rollout=generation")
    command("rollout", "undo", "demo", "generation")
    await_phase(space, None)
    assert "annotations" not in space.get("RAGDeployment", "demo")["metadata"]
    space.patch(
        "RAGDeployment", "demo", {"spec": {"services": [{**BLUE_GREEN, "image": "test/services:2"}, OTHER]}}
    )
    await_phase(space, "Paused")


def test_a_change_at_the_same_time_is_not_lost(cluster: Cluster, space: Space) -> None:
    apply(space, "test/services:1")
    stale: dict[str, Any] = space.get("RAGDeployment", "demo")
    space.patch("RAGDeployment", "demo", {"spec": {"paused": True}})
    changes = {"spec": {"services": deepcopy(stale["spec"]["services"])}}
    changes["spec"]["services"][0]["image"] = "test/services:0"

    async def patch(obj: dict[str, Any], dry_run: bool) -> None:
        async with connected(Target(cluster.kubeconfig, None, space.namespace)) as client:
            assert isinstance(client, Client)
            await client.patch(obj, changes, dry_run)

    with pytest.raises(ConflictError):
        asyncio.run(patch(stale, dry_run=False))
    assert image(space) == "test/services:1"
    fresh = space.get("RAGDeployment", "demo")
    asyncio.run(patch(fresh, dry_run=True))
    assert image(space) == "test/services:1"
    asyncio.run(patch(fresh, dry_run=False))
    assert image(space) == "test/services:0"
    assert space.get("RAGDeployment", "demo")["spec"]["paused"] is True
    owners = space.get("RAGDeployment", "demo")["metadata"]["managedFields"]
    assert "kubectl-rag" in [owner["manager"] for owner in owners]
