"""Prometheus metrics of the scaling decisions, by service; those of a service that is gone go with it."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge

from ragops.scaling.record import Record, Subject

_SERVICE: Final = ("namespace", "rag", "service")

DECISIONS: Final = Counter(
    "ragops_decisions_total", "Scaling decisions by action and reason.", ["action", "reason"]
)
_DESIRED: Final = Gauge("ragops_desired_replicas", "Replicas by the last scaling decision.", _SERVICE)
_READY: Final = Gauge("ragops_ready_replicas", "Ready pods at the last scaling decision.", _SERVICE)
_FORECAST: Final = Gauge(
    "ragops_forecast_requests_per_second", "Load expected when pods ordered now will be ready.", _SERVICE
)
_ERROR: Final = Gauge(
    "ragops_forecast_error_ratio", "Mean error of the forecast of late, relative to the mean load.", _SERVICE
)
_LAST_VALUE_ERROR: Final = Gauge(
    "ragops_last_value_error_ratio", "The same for taking the last value as the forecast.", _SERVICE
)
_CAPACITY: Final = Gauge(
    "ragops_replica_capacity_requests_per_second",
    "Load that one replica carries at the response time's target, as learned.",
    _SERVICE,
)
_CAPACITY_ERROR: Final = Gauge(
    "ragops_replica_capacity_error_ratio", "Standard error of the capacity, relative to it.", _SERVICE
)
_ALL: Final = (_DESIRED, _READY, _FORECAST, _ERROR, _LAST_VALUE_ERROR, _CAPACITY, _CAPACITY_ERROR)


class ScalingMetrics:
    """The gauges of the services that ragops scales."""

    def __init__(self) -> None:
        self._shown: dict[Gauge, set[Subject]] = {gauge: set() for gauge in _ALL}

    def publish(self, namespace: str, rag: str, records: Iterable[Record]) -> None:
        """The decisions of one pass over a RAGDeployment. Gauges that have no value now are taken away."""
        shown: dict[Gauge, set[Subject]] = {gauge: set() for gauge in _ALL}
        for record in records:
            DECISIONS.labels(record.decision.action, record.decision.reason).inc()
            for gauge, value in _values(record).items():
                if value is not None:
                    gauge.labels(*record.subject).set(value)
                    shown[gauge].add(record.subject)
        for gauge, subjects in self._shown.items():
            for subject in {s for s in subjects if s[:2] == (namespace, rag)} - shown[gauge]:
                gauge.remove(*subject)
                subjects.remove(subject)
            subjects |= shown[gauge]


def _values(record: Record) -> dict[Gauge, float | None]:
    values: dict[Gauge, float | None] = {_DESIRED: record.decision.desired, _READY: record.replicas.ready}
    if (forecast := record.decision.forecast) is not None:
        values[_FORECAST] = forecast.requests_per_second
        values[_ERROR] = _ratio(forecast.error_percent)
        values[_LAST_VALUE_ERROR] = _ratio(forecast.last_value_error_percent)
        values[_CAPACITY] = forecast.requests_per_second_per_replica
        values[_CAPACITY_ERROR] = _ratio(forecast.capacity_error_percent)
    return values


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
