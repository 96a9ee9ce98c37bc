"""Scaling on what pods tell of themselves: their addresses lead to a server of this test."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from .conftest import StartOperator
from .eventually import eventually
from .space import Object, Space, services

ADDRESS = "127.0.1.1"


class Played(BaseHTTPRequestHandler):
    """A pod whose queue is full."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"ragservices_queue_depth 150\n")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the log of the test is for others."""


@pytest.fixture
def port() -> Iterator[int]:
    """Port of the played pod."""
    with ThreadingHTTPServer((ADDRESS, 0), Played) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


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
    status = {"podIP": ADDRESS, "podIPs": [{"ip": ADDRESS}]}
    space.patch("Pod", pod["metadata"]["name"], {"status": status}, "status", by="kubelet")
    eventually(lambda: space.replicas("generation") == 2, "one step up")
    told = eventually(
        lambda: [e["note"] for e in space.all_of("Event") if e["reason"] == "ScaledUp"], "it is told"
    )
    assert told == ["generation: to 2, AboveThreshold: QueueDepth 150.0 is above 100"]
    labels = f'{{namespace="{space.namespace}",rag="demo",service="generation"}}'
    assert operator.metric(f"ragops_sample_age_seconds{labels}") is not None
