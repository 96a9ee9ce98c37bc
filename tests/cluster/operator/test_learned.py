"""What mode Predictive has learned outlives the operator, and goes with its service."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import StartOperator
from .eventually import eventually
from .playing import playing
from .space import Object, Space, services

ADDRESS = "127.0.1.3"


def requests(_: str) -> str:
    """A pod that has answered ten requests a second for as long as the machine runs."""
    count = int(10 * time.monotonic())
    return (
        f"ragservices_requests_total {count}\n"
        f'ragservices_request_seconds_bucket{{le="1"}} {count}\n'
        f'ragservices_request_seconds_bucket{{le="+Inf"}} {count}\n'
        f"ragservices_request_seconds_sum {0.1 * count}\n"
        f"ragservices_request_seconds_count {count}\n"
    )


@pytest.fixture
def port() -> Iterator[int]:
    """Port of the played pod."""
    with playing(ADDRESS, requests) as port:
        yield port


def judged(log: Path) -> int | None:
    """Forecasts that had been judged when the service's window was logged first; None before that."""
    entries: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    windows = (entry["window"] for entry in entries if entry["kind"] == "window")
    window = next((window for window in windows if window.get("samples")), None)
    return window.get("learned", {}).get("forecast", {}).get("judged", 0) if window else None


def test_the_next_operator_knows_what_the_one_before_had_learned(
    space: Space, start_operator: StartOperator, tmp_path: Path, port: int
) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    operator = start_operator(RAGOPS_SCRAPE="direct", RAGOPS_DECISION_LOG=str(first))
    auto: Object = {
        "mode": "Predictive",
        "sampleSeconds": 1,
        "maxReplicas": 2,
        "metrics": [{"type": "ResponseTime"}],
        "endpoint": {"port": port},
    }
    space.apply_rag(services("generation", generation={"autoscaling": auto}))
    space.await_ready()
    (pod,) = space.pods("generation")
    space.lead(pod, ADDRESS)
    eventually(
        lambda: space.service("generation").get("scaling", {}).get("forecast"), "there is a forecast", 120
    )
    assert not stored(space), "nothing is written while it is learned"
    operator.terminate()
    assert len(stored(space)) == 1
    before = judged(first)

    operator = start_operator(RAGOPS_SCRAPE="direct", RAGOPS_DECISION_LOG=str(second))
    after = eventually(lambda: judged(second) if second.exists() else None, "the next one samples", 30)
    assert (before or 0) < 4 <= (after or 0), "the second knows from its first sample on"

    space.delete("RAGDeployment", "demo")
    labels = f'{{namespace="{space.namespace}",rag="demo",service="generation"}}'
    age = f"ragops_sample_age_seconds{labels}"
    eventually(lambda: operator.metric(age) is None, "the operator knows that it is gone")
    operator.terminate()
    assert not stored(space)


def stored(space: Space) -> list[Object]:
    """What is stored in the operator's namespace, which is the test's."""
    return [
        obj for obj in space.all_of("ConfigMap") if "ragops.dev/learned" in obj["metadata"].get("labels", {})
    ]
