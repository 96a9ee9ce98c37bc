"""Children go with their RAGDeployment by garbage collection alone."""

import pytest

from .conftest import StartOperator
from .eventually import eventually
from .space import LEFTOVERS, Space, services


@pytest.mark.parametrize("reclaim", ["Retain", "Delete"])
def test_nothing_is_left_without_the_operator(
    space: Space, start_operator: StartOperator, reclaim: str
) -> None:
    operator = start_operator()
    space.apply_rag(services(vector_store={"storage": {"reclaim": reclaim, "size": "1Gi"}}))
    space.await_ready()
    eventually(lambda: space.find("PersistentVolumeClaim", CLAIM), "the claim is there")
    assert space.all_of("Secret")
    operator.kill()

    space.delete("RAGDeployment", "demo")
    eventually(lambda: not space.all_of("RAGDeployment"), "no finalizer holds the object", 5)
    eventually(
        lambda: not any(space.all_of(kind) for kind in LEFTOVERS),
        "all children are gone",
        timeout=60,
    )
    if reclaim == "Delete":
        eventually(lambda: not space.find("PersistentVolumeClaim", CLAIM), "the claim is gone")
    else:
        assert "deletionTimestamp" not in space.get("PersistentVolumeClaim", CLAIM)["metadata"]


CLAIM = "data-demo-vector-store-0"
