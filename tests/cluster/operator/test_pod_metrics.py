"""Scaling on what pods tell of themselves: their addresses lead to a server of this test."""

from collections.abc import Iterator

import pytest

from .conftest import StartOperator
from .eventually import eventually
from .playing import playing
from .space import Object, Space, services

ADDRESS = "127.0.1.1"


@pytest.fixture
def port() -> Iterator[int]:
    """Port of the played pod, whose queue is full."""
    with playing(ADDRESS, lambda _: "ragservices_queue_depth 150\n") as port:
        yield port


def test_up_when_the_queue_is_full(space: Space, start_operator: StartOperator, port: int) -> None:
    operator = start_operator(RAGOPS_SCRAPE="direct")
    auto: Object = {
        "sampleSeconds": 1,
        "maxReplicas": 2,
        "metrics": [{"type": "QueueDepth"}],
        "endpoint": {"port": port},
    }
    space.apply_rag(services("generation", generation={"autoscaling": auto}))
    space.await_ready()
    eventually(lambda: "it has no address" in operator.log(), "the operator tells what it misses")
    assert space.replicas("generation") == 1

    (pod,) = space.pods("generation")
    space.lead(pod, ADDRESS)
    eventually(lambda: space.replicas("generation") == 2, "one step up")
    told = eventually(
        lambda: [e["note"] for e in space.all_of("Event") if e["reason"] == "ScaledUp"], "it is told"
    )
    assert told == ["generation: to 2, AboveThreshold: QueueDepth 150.0 is above 100"]
    labels = f'{{namespace="{space.namespace}",rag="demo",service="generation"}}'
    assert operator.metric(f"ragops_sample_age_seconds{labels}") is not None
