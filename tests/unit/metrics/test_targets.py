"""Which services are sampled, and what of."""

from typing import Any

import pytest
from tests.unit.operator.world import rag_of, six

from ragops.api.autoscaling import MetricType
from ragops.cluster.cache import Key, WatchCache
from ragops.controller.observe import checked, targets
from ragops.metrics.prober import Checked
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


def checked_of(service: dict[str, Any], cache: WatchCache | None = None) -> Checked | None:
    rag = rag_of(six(embeddings=service))
    return next((c for c in checked(cache or WatchCache(), KEY, rag) if c.service.name == "embeddings"), None)


def test_every_service_but_the_vector_store_is_checked() -> None:
    found = list(checked(WatchCache(), KEY, rag_of(six())))
    names = ["embeddings", "documents", "retrieval", "generation", "api"]
    assert [one.service.name for one in found] == names
    assert all(
        (one.path, one.port, one.checked, one.figures) == ("/readyz", 8080, True, None) for one in found
    )


def test_the_path_of_the_check() -> None:
    own = checked_of({"health": {"path": "/up", "check": {"path": "/deep"}}})
    probe = checked_of({"health": {"path": "/up"}})
    assert (own and own.path, probe and probe.path) == ("/deep", "/up")


def test_services_that_are_neither_checked_nor_measured() -> None:
    assert checked_of({"health": {"check": {"enabled": False}}}) is None


def test_a_threshold_needs_figures_with_or_without_autoscaling() -> None:
    off = {"check": {"enabled": False}}
    endpoint = {"port": 9100, "path": "/stats"}
    for autoscaling, place in (
        ({}, (8080, "/metrics")),
        ({"autoscaling": {"endpoint": endpoint}}, (9100, "/stats")),
    ):
        found = checked_of({"health": {"maxErrorPercent": 5, **off}, **autoscaling})
        assert found is not None
        assert not found.checked
        assert found.figures is not None
        assert (found.figures.endpoint.port, found.figures.endpoint.path) == place
        assert {metric.type for metric in found.figures.metrics} == {
            MetricType.ERROR_RATE,
            MetricType.RESPONSE_TIME,
        }


def test_ready_pods_are_checked() -> None:
    cache = WatchCache()
    for number, ready in enumerate(("True", "False")):
        cache.put(pod(number, ready, {}, {}))
    found = checked_of({}, cache)
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
