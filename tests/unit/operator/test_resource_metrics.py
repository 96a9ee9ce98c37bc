"""From PodMetrics to readings in per cent of requests."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragops.api.autoscaling import MetricType
from ragops.metrics.resource import STALE_AFTER, PodRequest, pod_request, readings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Json = dict[str, Any]


def usage(name: str, *containers: tuple[str, str], age: float = 0) -> Json:
    """A PodMetrics object: CPU and memory of each container."""
    measured = (NOW - timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return {
        "metadata": {"name": name},
        "timestamp": measured,
        "containers": [{"usage": {"cpu": cpu, "memory": memory}} for cpu, memory in containers],
    }


def asks(name: str, cpu: float = 0.1, memory: float = 2**20) -> PodRequest:
    """A ready pod that requests this."""
    return PodRequest(name, {"cpu": cpu, "memory": memory})


def test_the_average_over_ready_pods() -> None:
    found = readings([usage("a", ("50m", "1Mi")), usage("b", ("100m", "512Ki"))], [asks("a"), asks("b")], NOW)
    assert found[MetricType.CPU].average == pytest.approx(75)
    assert found[MetricType.MEMORY].average == pytest.approx(75)
    assert found[MetricType.CPU].complete


def test_units_of_metrics_server() -> None:
    found = readings([usage("a", ("25000000n", "1048576"))], [asks("a")], NOW)
    assert found[MetricType.CPU].average == pytest.approx(25)
    assert found[MetricType.MEMORY].average == pytest.approx(100)


def test_all_containers_of_a_pod_count() -> None:
    found = readings([usage("a", ("50m", "0"), ("150m", "0"))], [asks("a", cpu=0.4)], NOW)
    assert found[MetricType.CPU].average == pytest.approx(50)


def test_pods_that_are_not_ready_or_foreign_do_not_count() -> None:
    found = readings([usage("a", ("50m", "0")), usage("starting", ("900m", "0"))], [asks("a")], NOW)
    assert found[MetricType.CPU].average == pytest.approx(50)
    assert found[MetricType.CPU].ready == 1


def test_what_is_missing_or_stale_is_missing_not_zero() -> None:
    stale = usage("b", ("900m", "0"), age=STALE_AFTER.total_seconds() + 1)
    found = readings([usage("a", ("50m", "0")), stale], [asks("a"), asks("b"), asks("c")], NOW)[
        MetricType.CPU
    ]
    assert (found.measured, found.ready, found.complete) == (1, 3, False)
    assert found.average == pytest.approx(50)
    nothing = readings([], [asks("a")], NOW)[MetricType.CPU]
    assert nothing.average is None
    assert not readings([], [], NOW)[MetricType.CPU].complete


def test_without_a_request_there_is_no_percentage() -> None:
    found = readings([usage("a", ("50m", "1Mi"))], [PodRequest("a", {"memory": 2**20})], NOW)
    assert found[MetricType.CPU].average is None
    assert found[MetricType.MEMORY].average == pytest.approx(100)


def containers(*resources: Json) -> Json:
    return {"metadata": {"name": "a"}, "spec": {"containers": [{"resources": r} for r in resources]}}


def test_requests_of_a_pod() -> None:
    sidecar = {"requests": {"cpu": "50m", "memory": "1Mi"}}
    pod = containers({"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "3Mi"}}, sidecar)
    assert pod_request(pod) == PodRequest("a", {"cpu": pytest.approx(0.3), "memory": 4 * 2**20})


def test_a_container_without_a_request_makes_the_pods_unknown() -> None:
    assert pod_request(containers({"requests": {"cpu": "250m"}}, {})).amounts == {}
    assert pod_request(containers({"requests": {"cpu": 1}})).amounts == {"cpu": 1}
