"""The current readings of the health of services: not for status, since they change all the time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ragops.api.base import ServiceType
from ragops.api.status import RAGStatus, ServiceStatus
from ragops.cluster.cache import Key, WatchCache
from ragops.health.assess import Evidence, error_count, response_time_ms
from ragops.health.checks import PodChecks
from ragops.metrics.prober import Prober
from ragops.metrics.source import ServiceId
from ragops.orchestration.observation import pod_view


@dataclass(frozen=True)
class ServiceReading:
    """One service: its health by the last pass, and what is measured now."""

    service: ServiceId
    status: ServiceStatus
    evidence: Evidence
    pods: Mapping[str, str]
    """Names of its ready pods by uid."""

    def to_wire(self) -> dict[str, Any]:
        """As JSON."""
        health, figures = self.status.health, self.evidence.figures
        checks = self.evidence.checks
        return {
            "namespace": self.service.key.namespace,
            "rag": self.service.key.name,
            "service": self.service.name,
            "state": health.state,
            "reason": health.reason,
            "details": health.details,
            "causedBy": health.caused_by,
            "lastTransition": health.last_transition and health.last_transition.isoformat(),
            "responseTimeMs": response_time_ms(self.evidence),
            "errorCount": error_count(self.evidence),
            "errorPercent": figures and figures.error_percent,
            "requests": figures and figures.requests,
            "checksAnswered": checks.answered,
            "checksBlocked": checks.blocked,
            "checks": [
                _check(name, checks.pods.get(uid, PodChecks())) for uid, name in sorted(self.pods.items())
            ]
            if self.status.type is not ServiceType.VECTOR_STORE
            else [],
        }


def by_service(key: Key, status: RAGStatus, prober: Prober) -> dict[str, tuple[ServiceStatus, Evidence]]:
    """Status and evidence of all services of a RAGDeployment."""
    return {s.name: (s, prober.evidence(ServiceId(key, s.name))) for s in status.services}


def readings(cache: WatchCache, key: Key, status: RAGStatus, prober: Prober) -> Iterator[ServiceReading]:
    """The readings of all services of a RAGDeployment."""
    views = [view for pod in cache.pods(key) if (view := pod_view(pod)).ready and not view.terminating]
    for name, (service, evidence) in by_service(key, status, prober).items():
        pods = {view.uid: view.name for view in views if view.service == name}
        yield ServiceReading(ServiceId(key, name), service, evidence, pods)


def _check(pod: str, checks: PodChecks) -> dict[str, Any]:
    last = checks.last
    return {
        "pod": pod,
        "verdict": checks.streak.verdict,
        "successes": checks.streak.successes,
        "failures": checks.streak.failures,
        "checkedAt": last and last.at.isoformat(),
        "responseTimeMs": last and round(1000 * last.seconds),
        "trouble": last and last.why,
    }
