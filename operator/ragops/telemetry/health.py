"""Prometheus metrics of the health of services; those of a service that is gone go with it."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge

from ragops.api.status import HealthState, ServiceStatus
from ragops.health.assess import Evidence, response_time_ms

_SERVICE: Final = ("namespace", "rag", "service")

CHECKS: Final = Counter(
    "ragops_health_checks_total",
    "Checks of pods by result: good, failed, unanswered, or none when the pod could not be asked.",
    [*_SERVICE, "result"],
)
CHECK_RESULTS: Final = ("good", "failed", "unanswered", "none")
_STATE: Final = Gauge(
    "ragops_service_health", "1 for the state that a service is in, 0 for the others.", [*_SERVICE, "state"]
)
_RESPONSE: Final = Gauge(
    "ragops_service_response_seconds",
    "Mean response time of the last minute's requests, or of the last checks where those are not measured.",
    _SERVICE,
)
_ERRORS: Final = Gauge(
    "ragops_service_error_ratio",
    "Share of failed requests in the last minute, of services whose health has a threshold.",
    _SERVICE,
)


class HealthMetrics:
    """The gauges of all services."""

    def __init__(self) -> None:
        self._shown: dict[tuple[str, str], set[str]] = {}

    def publish(
        self, namespace: str, rag: str, services: Mapping[str, tuple[ServiceStatus, Evidence]]
    ) -> None:
        """The health after one pass over a RAGDeployment."""
        key = (namespace, rag)
        for gone in self._shown.get(key, set()) - services.keys():
            _remove(*key, gone)
        self._shown[key] = set(services)
        for name, (status, evidence) in services.items():
            for state in HealthState:
                _STATE.labels(*key, name, state).set(state is status.health.state)
            milliseconds, figures = response_time_ms(evidence), evidence.figures
            _set(_RESPONSE, (*key, name), None if milliseconds is None else milliseconds / 1000)
            percent = figures.error_percent if figures else None
            _set(_ERRORS, (*key, name), None if percent is None else percent / 100)
        if not services:
            del self._shown[key]


def _set(gauge: Gauge, labels: tuple[str, str, str], value: float | None) -> None:
    if value is None:
        gauge.remove(*labels)
    else:
        gauge.labels(*labels).set(value)


def _remove(namespace: str, rag: str, service: str) -> None:
    for state in HealthState:
        _STATE.remove(namespace, rag, service, state)
    for gauge in (_RESPONSE, _ERRORS):
        gauge.remove(namespace, rag, service)
