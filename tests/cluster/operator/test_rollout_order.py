"""Updates along the dependencies: upstream first, and a failed one stops the chain."""

import pytest

from .eventually import eventually, throughout
from .space import Object, Space, services

pytestmark = pytest.mark.usefixtures("operator")

NAMES = ("embeddings", "retrieval", "generation")


def chain(**images: str) -> list[Object]:
    """retrieval needs embeddings; generation stands alone."""
    needs = {"retrieval": ["embeddings"]}
    return services(
        *NAMES,
        **{
            name: {
                "image": images.get(name, "test/services:1"),
                "dependsOn": [{"name": upstream} for upstream in needs.get(name, ())],
            }
            for name in NAMES
        },
    )


def image(space: Space, name: str) -> str:
    found: str = space.get("Deployment", f"demo-{name}")["spec"]["template"]["spec"]["containers"][0]["image"]
    return found


def rollout(space: Space, name: str) -> Object:
    found: Object = space.service(name).get("rollout", {})
    return found


def await_first(space: Space) -> None:
    space.apply_rag(chain())
    space.await_ready()
    eventually(lambda: all("stable" in space.service(name) for name in NAMES), "the versions are recorded")


def test_an_upstream_is_updated_and_ready_first(space: Space) -> None:
    await_first(space)
    space.apply_rag(
        chain(embeddings="test/held:2", retrieval="test/services:2", generation="test/services:2")
    )
    eventually(lambda: rollout(space, "retrieval").get("phase") == "Waiting", "the dependent waits")
    waiting = rollout(space, "retrieval")
    assert (waiting["reason"], waiting["waitingFor"]) == ("UpstreamUpdating", ["embeddings"])
    eventually(lambda: image(space, "generation") == "test/services:2", "who needs nobody does not wait")
    throughout(lambda: image(space, "retrieval") == "test/services:1", "the dependent is as it was", 2)
    space.set_ready("embeddings")
    eventually(lambda: image(space, "retrieval") == "test/services:2", "then it has its turn")
    space.await_ready()
    assert "rollout" not in space.service("retrieval")


def test_a_failed_upstream_stops_the_chain(space: Space) -> None:
    await_first(space)
    old = {pod["metadata"]["uid"] for pod in space.pods("retrieval")}
    space.apply_rag(chain(embeddings="test/missing:2", retrieval="test/services:2"))
    eventually(lambda: rollout(space, "retrieval").get("reason") == "UpstreamFailed", "the chain is stopped")
    assert rollout(space, "embeddings")["reason"] == "ImagePullFailed"
    assert space.condition("Degraded")["reason"] == "RolloutStuck"
    assert {pod["metadata"]["uid"] for pod in space.pods("retrieval")} == old
    space.apply_rag(chain(embeddings="test/services:3", retrieval="test/services:2"))
    eventually(lambda: image(space, "retrieval") == "test/services:2", "mended, it goes on")
    space.await_ready()
