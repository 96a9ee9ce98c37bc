"""From PodMetrics to readings in per cent of requests."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ragops.api.autoscaling import MetricType
from ragops.metrics import pod as pods
from ragops.metrics.pod import Pod
from ragops.metrics.resource import STALE_AFTER, measured
from ragops.metrics.source import Measured, MissingReason

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


def asks(name: str, cpu: float = 0.1, memory: float = 2**20) -> Pod:
    """A ready pod that requests this."""
    return Pod(name, amounts={"cpu": cpu, "memory": memory})


def sample(items: list[Json], pods: list[Pod]) -> Measured:
    return measured(items, [MetricType.CPU, MetricType.MEMORY], pods, NOW)


def readings(items: list[Json], pods: list[Pod]) -> Any:
    return sample(items, pods).readings


def test_the_average_over_ready_pods() -> None:
    found = readings([usage("a", ("50m", "1Mi")), usage("b", ("100m", "512Ki"))], [asks("a"), asks("b")])
    assert found[MetricType.CPU].average == pytest.approx(75)
    assert found[MetricType.MEMORY].average == pytest.approx(75)
    assert found[MetricType.CPU].complete


def test_units_of_metrics_server() -> None:
    found = readings([usage("a", ("25000000n", "1048576"))], [asks("a")])
    assert found[MetricType.CPU].average == pytest.approx(25)
    assert found[MetricType.MEMORY].average == pytest.approx(100)


def test_all_containers_of_a_pod_count() -> None:
    found = readings([usage("a", ("50m", "0"), ("150m", "0"))], [asks("a", cpu=0.4)])
    assert found[MetricType.CPU].average == pytest.approx(50)


def test_pods_that_are_not_ready_or_foreign_do_not_count() -> None:
    found = readings([usage("a", ("50m", "0")), usage("starting", ("900m", "0"))], [asks("a")])
    assert found[MetricType.CPU].average == pytest.approx(50)
    assert found[MetricType.CPU].ready == 1


def test_what_is_missing_or_stale_is_missing_not_zero() -> None:
    stale = usage("b", ("900m", "0"), age=STALE_AFTER.total_seconds() + 1)
    found = readings([usage("a", ("50m", "0")), stale], [asks("a"), asks("b"), asks("c")])[MetricType.CPU]
    assert (found.measured, found.ready, found.complete) == (1, 3, False)
    assert found.average == pytest.approx(50)
    nothing = readings([], [asks("a")])[MetricType.CPU]
    assert nothing.average is None
    assert not readings([], [])[MetricType.CPU].complete


def test_a_measurement_without_the_resource_is_missing() -> None:
    found = sample([{**usage("a"), "containers": [{"usage": {"cpu": "50m"}}]}], [asks("a")])
    assert found.readings[MetricType.CPU].average == pytest.approx(50)
    assert found.readings[MetricType.MEMORY].average is None
    assert found.missing[MetricType.MEMORY].reason is MissingReason.STALE


@pytest.mark.parametrize(
    "spoiled",
    [
        {"metadata": {}},
        {"metadata": None},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-01-01T00:00:00"},
        {"timestamp": 5},
        {"containers": None},
        {"containers": [{"usage": {"cpu": "much", "memory": "1Mi"}}]},
        {"containers": [{"usage": {"cpu": 1, "memory": 1}}]},
        {"containers": [{}]},
    ],
    ids=str,
)
def test_a_malformed_measurement_costs_only_its_own_pod(spoiled: Json) -> None:
    items = [{**usage("b", ("50m", "1Mi")), **spoiled}, usage("a", ("50m", "1Mi"))]
    found = sample(items, [asks("a"), asks("b")])
    assert (found.readings[MetricType.CPU].measured, found.readings[MetricType.CPU].ready) == (1, 2)
    assert found.missing[MetricType.CPU].reason is MissingReason.STALE


def test_without_a_request_there_is_no_percentage_and_it_is_told() -> None:
    pod = read_pod(pod_of({"requests": {"memory": "1Mi"}}, {"requests": {"cpu": "1", "memory": "1Mi"}}))
    found = sample([usage("a", ("50m", "1Mi"), ("50m", "1Mi"))], [pod])
    assert found.readings[MetricType.CPU].average is None
    assert found.readings[MetricType.MEMORY].average == pytest.approx(100)
    assert found.missing == {
        MetricType.CPU: (
            MissingReason.NO_REQUEST,
            "container c0 of pod a has neither a CPU request nor a limit",
        )
    }


def pod_of(*resources: Json, sidecars: tuple[Json, ...] = ()) -> Json:
    """A Pod object with containers c0, c1, ... of these resources, and init containers."""
    containers = [{"name": f"c{i}", "resources": each} for i, each in enumerate(resources)]
    return {
        "metadata": {"name": "a", "namespace": "here", "uid": "1"},
        "spec": {"containers": containers, "initContainers": list(sidecars)},
        "status": {"podIP": "10.0.0.1", "containerStatuses": [{"restartCount": 2}, {"restartCount": 1}]},
    }


def read_pod(obj: Json) -> Pod:
    return pods.read_pod(obj, start_limit=600)


@pytest.mark.parametrize(("ready", "seconds"), [("00:00:42", 42), ("00:10:01", None), ("00:00:00", 0)])
def test_the_start_of_a_pod_unless_it_is_the_end_of_a_later_trouble(ready: str, seconds: int | None) -> None:
    obj = pod_of({})
    obj["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    obj["status"]["conditions"] = [
        {"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-01T{ready}Z"}
    ]
    assert read_pod(obj).start_seconds == seconds
    assert read_pod(pod_of({})).start_seconds is None


def test_identity_of_a_pod() -> None:
    found = read_pod(pod_of({}))
    assert (found.namespace, found.uid, found.address, found.restarts) == ("here", "1", "10.0.0.1", 3)


def test_requests_of_a_pod() -> None:
    sidecar = {"requests": {"cpu": "50m", "memory": "1Mi"}}
    pod = pod_of({"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "3Mi"}}, sidecar)
    assert read_pod(pod).amounts == {"cpu": pytest.approx(0.3), "memory": 4 * 2**20}


def test_init_containers_count_when_they_go_on_running() -> None:
    asks_one = {"resources": {"requests": {"cpu": "1"}}}
    running = {"name": "proxy", "restartPolicy": "Always", **asks_one}
    pod = pod_of({"requests": {"cpu": "1"}}, sidecars=(running, {"name": "migrate", **asks_one}))
    assert read_pod(pod).amounts["cpu"] == 2


def test_a_container_without_a_request_makes_the_pods_unknown() -> None:
    found = read_pod(pod_of({"requests": {"cpu": "250m"}}, {}))
    assert (found.amounts, found.unbounded) == ({}, {"cpu": "c1", "memory": "c0"})
    assert read_pod(pod_of({"requests": {"cpu": 1}})).amounts == {"cpu": 1}
    assert read_pod(pod_of({"requests": {"cpu": "0"}})).unbounded["cpu"] == "c0"
