"""spec.services[].health: when a pod counts as ready, and a service as healthy."""

from typing import Annotated

from pydantic import Field

from ragops.api.base import HTTP_PATH, Model


class HealthCheckSpec(Model):
    """The operator's own check: an HTTP request to each pod, beside the kubelet's probe.

    Not for VectorStore, which speaks no HTTP."""

    enabled: bool = True
    """Ask the pods. Without it, readiness and the pods' own figures decide alone."""
    path: Annotated[str, Field(pattern=HTTP_PATH, max_length=256)] | None = None
    """HTTP path; any answer from 200 to 299 is good. Default: health.path."""
    period_seconds: Annotated[int, Field(ge=1, le=300)] = 10
    """Seconds between two checks of a pod."""
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 3
    """Seconds until a check without an answer counts as failed."""
    failure_threshold: Annotated[int, Field(ge=1, le=100)] = 3
    """Failed checks in a row until a pod counts as failing."""
    success_threshold: Annotated[int, Field(ge=1, le=100)] = 2
    """Good checks in a row until it counts as good again."""


class HealthSpec(Model):
    """When a pod counts as ready, and a service as healthy."""

    path: Annotated[str, Field(pattern=HTTP_PATH, max_length=256)] | None = None
    """HTTP path of the readiness probe. Default: /readyz. Not for VectorStore."""
    period_seconds: Annotated[int, Field(ge=1, le=300)] = 5
    """Seconds between two probes of a pod."""
    timeout_seconds: Annotated[int, Field(ge=1, le=60)] = 3
    """Seconds until a probe without an answer counts as failed."""
    failure_threshold: Annotated[int, Field(ge=1, le=100)] = 3
    """Failed probes in a row until a pod counts as not ready."""
    success_threshold: Annotated[int, Field(ge=1, le=100)] = 1
    """Good probes in a row until a pod counts as ready again."""
    max_response_time_ms: Annotated[int, Field(ge=1, le=3_600_000)] | None = None
    """Mean response time, in milliseconds, above which the service is Degraded. Default: not judged."""
    max_error_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """Share of failed requests above which the service is Degraded. Default: not judged."""
    check: HealthCheckSpec = HealthCheckSpec()
    """The operator's own check of the pods."""
