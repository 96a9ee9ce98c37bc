"""From what a source measured to the requests that it counted."""

from datetime import datetime

from ragops.api.autoscaling import MetricType
from ragops.health.figures import Requests
from ragops.metrics.source import Measured


def requests(measured: Measured, at: datetime) -> Requests | None:
    """The requests that a source has measured; None where it knows none of the pods."""
    errors = measured.readings.get(MetricType.ERROR_RATE)
    times = measured.readings.get(MetricType.RESPONSE_TIME)
    if not (errors and errors.measured) and not (times and times.measured):
        return None
    return Requests(
        at=at,
        counted=(errors.weight or 0.0) if errors else 0.0,
        failed=errors.total / 100 if errors else 0.0,
        timed=(times.weight or 0.0) if times else 0.0,
        milliseconds=times.total if times else 0.0,
    )
