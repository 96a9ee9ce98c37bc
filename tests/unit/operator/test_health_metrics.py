"""Gauges of the health of services, and what the status server says of one."""

from datetime import UTC, datetime
from typing import Any

from prometheus_client import REGISTRY

from ragops.api.health import HealthCheckSpec
from ragops.api.status import HealthState, HealthStatus, ServiceStatus
from ragops.cluster.cache import Key
from ragops.controller.readings import ServiceReading
from ragops.health.assess import Evidence
from ragops.health.checks import CheckResult, Checks
from ragops.health.figures import Requests
from ragops.metrics.source import ServiceId
from ragops.telemetry.health import HealthMetrics

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = HealthCheckSpec(success_threshold=1)
CHECKS = (
    Checks()
    .after("uid-1", CheckResult(NOW, True, True, 0.1), SPEC)
    .after("uid-2", CheckResult(NOW, False, True, 0.3, "status 500"), SPEC)
)
REQUESTS = (Requests(NOW, counted=200, failed=10, timed=200, milliseconds=50_000),)


def service(state: str = "Healthy", **health: Any) -> ServiceStatus:
    status = HealthStatus(state=HealthState(state), **health)
    return ServiceStatus(name="api", type="Generation", state="Ready", health=status)


def shown(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"namespace": "team", "rag": "demo", "service": "api", **labels})


def test_gauges_follow_the_service_and_go_with_it() -> None:
    metrics = HealthMetrics()
    metrics.publish("team", "demo", {"api": (service("Degraded"), Evidence(CHECKS, REQUESTS))})
    assert shown("ragops_service_health", state="Degraded") == 1
    assert shown("ragops_service_health", state="Healthy") == 0
    assert shown("ragops_service_response_seconds") == 0.25
    assert shown("ragops_service_error_ratio") == 0.05

    metrics.publish("team", "demo", {"api": (service(), Evidence(CHECKS))})
    assert shown("ragops_service_health", state="Healthy") == 1
    assert shown("ragops_service_response_seconds") == 0.2
    assert shown("ragops_service_error_ratio") is None

    metrics.publish("team", "demo", {})
    metrics.publish("team", "demo", {})
    for state in HealthState:
        assert shown("ragops_service_health", state=state) is None
    assert shown("ragops_service_response_seconds") is None


def reading(evidence: Evidence, **health: Any) -> dict[str, Any]:
    key = Key("team", "demo")
    pods = {"uid-1": "api-1", "uid-2": "api-2", "uid-3": "api-3"}
    return ServiceReading(ServiceId(key, "api"), service(**health), evidence, pods).to_wire()


def test_a_reading_tells_the_present_beside_the_last_transition() -> None:
    found = reading(
        Evidence(CHECKS, REQUESTS),
        state="Degraded",
        reason="UpstreamUnhealthy",
        caused_by="db",
        details="db is Unhealthy",
        last_transition=NOW,
        response_time_ms=9999,
    )
    checks = found.pop("checks")
    assert found == {
        "namespace": "team",
        "rag": "demo",
        "service": "api",
        "state": "Degraded",
        "reason": "UpstreamUnhealthy",
        "details": "db is Unhealthy",
        "causedBy": "db",
        "lastTransition": "2026-01-01T00:00:00+00:00",
        "responseTimeMs": 250,
        "errorCount": 10,
        "errorPercent": 5.0,
        "requests": 200,
        "checksAnswered": True,
        "checksBlocked": None,
    }
    assert [(c["pod"], c["verdict"], c["responseTimeMs"], c["trouble"]) for c in checks] == [
        ("api-1", "Good", 100, None),
        ("api-2", "Unknown", 300, "status 500"),
        ("api-3", "Unknown", None, None),
    ]


def test_without_figures_the_checks_are_told() -> None:
    found = reading(Evidence(CHECKS))
    assert (found["responseTimeMs"], found["errorCount"]) == (200, 1)
    assert (found["errorPercent"], found["requests"]) == (None, None)
    nothing = reading(Evidence())
    assert (nothing["responseTimeMs"], nothing["errorCount"]) == (None, None)
