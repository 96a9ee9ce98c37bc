"""Which services are sampled, and what of."""

from typing import Any

import pytest
from tests.unit.operator.world import rag_of, six

from ragops.api.autoscaling import MetricType
from ragops.cluster.cache import Key, WatchCache
from ragops.controller.observe import targets
from ragops.metrics.source import Target

KEY = Key("default", "demo")


def target_of(autoscaling: dict[str, Any], cache: WatchCache | None = None) -> Target | None:
    rag = rag_of(six(embeddings={"autoscaling": autoscaling}))
    found = list(targets(cache or WatchCache(), KEY, rag))
    assert all(str(one.service) == "default/demo/embeddings" for one in found)
    return found[0] if found else None


@pytest.mark.parametrize(("mode", "sampled"), [("Step", True), ("Proportional", True), ("External", False)])
def test_every_mode_but_external_needs_samples(mode: str, sampled: bool) -> None:
    assert (target_of({"mode": mode}) is not None) == sampled


def test_the_metrics_of_the_policy_from_the_port_that_serves_requests() -> None:
    found = target_of({"metrics": [{"type": "QueueDepth"}], "sampleSeconds": 7})
    assert found is not None
    assert [metric.type for metric in found.metrics] == [MetricType.QUEUE_DEPTH]
    assert (found.endpoint.port, found.arrivals, found.every.total_seconds()) == (8080, False, 7)
    own = target_of({"endpoint": {"port": 9100}})
    assert own is not None
    assert own.endpoint.port == 9100


def test_predictive_learns_from_more_than_it_is_told_to_compare() -> None:
    found = target_of({"mode": "Predictive", "metrics": [{"type": "ResponseTime", "upAbove": 3000}]})
    assert found is not None
    assert found.arrivals
    assert [(metric.type, metric.up_above) for metric in found.metrics] == [
        (MetricType.RESPONSE_TIME, 3000),
        (MetricType.CPU, None),
    ]


def test_pods_that_are_ready_and_stay() -> None:
    cache = WatchCache()
    for number, (ready, labels, metadata) in enumerate(
        [
            ("True", {}, {}),
            ("False", {}, {}),
            ("True", {"ragops.dev/service": "retrieval"}, {}),
            ("True", {}, {"deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ]
    ):
        cache.put(pod(number, ready, labels, metadata))
    found = target_of({}, cache)
    assert found is not None
    assert [one.name for one in found.pods()] == ["pod-0"]


def pod(number: int, ready: str, labels: dict[str, str], metadata: dict[str, str]) -> dict[str, Any]:
    own = {"ragops.dev/rag": "demo", "ragops.dev/service": "embeddings", **labels}
    name = {"name": f"pod-{number}", "namespace": "default", "uid": str(number), "labels": own}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**name, **metadata},
        "spec": {"containers": [{"name": "main"}]},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
