"""The health of all services of one RAGDeployment, each by itself and then in the light of the others."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ragops.api.status import HealthState, HealthStatus, ServiceState
from ragops.health.assess import Evidence, Memory, Probes, assess, own_health, remembered
from ragops.health.propagation import roots_of_trouble
from ragops.health.readiness import PodCounts
from ragops.orchestration.diagnosis import StartReason
from ragops.orchestration.graph import upstreams
from ragops.orchestration.known import Known
from ragops.orchestration.observation import Observation
from ragops.resources.variant import Traffic

_HOPELESS: Final = (
    StartReason.IMAGE_PULL_FAILED,
    StartReason.SECRET_MISSING,
    StartReason.CONFIG_MAP_MISSING,
    StartReason.CONTAINER_CONFIG_ERROR,
    StartReason.OUT_OF_MEMORY,
    StartReason.CRASH_LOOP,
)
"""Trouble of a pod that waiting does not end."""


@dataclass(frozen=True)
class Assessment:
    """The health of one service, and what is to be remembered of it until the next pass."""

    own: HealthState
    """Leaving out what it depends on."""
    status: HealthStatus
    memory: Memory


def assess_all(services: Sequence[Known], seen: Observation, now: datetime) -> dict[str, Assessment]:
    """By service. Trouble reaches all that depend on a service in the same pass, and so does its end."""
    specs = {service.spec.name: service.spec for service in services}
    own = {s.spec.name: own_health(s.spec, _probes(s, seen), _memory(s, seen), now) for s in services}
    above = {name: upstreams(name, specs) for name in specs}
    failing = frozenset(name for name, (found, _) in own.items() if found.state is HealthState.UNHEALTHY)
    assessed = {}
    for service in services:
        name = service.spec.name
        found, memory = own[name]
        status = assess(
            found,
            roots_of_trouble(name, above, failing),
            seen.evidence.get(name, Evidence()),
            service.previous.health if service.previous else HealthStatus(),
            now.replace(microsecond=0),
        )
        assessed[name] = Assessment(found.state, status, memory)
    return assessed


def next_look(services: Iterable[Known], assessed: Mapping[str, Assessment]) -> datetime | None:
    """When time alone may change the health of some service."""
    limits = {s.spec.name: timedelta(seconds=s.spec.startup.timeout_seconds) for s in services}
    moments = (assessment.memory.look_at(limits[name]) for name, assessment in assessed.items())
    return min((moment for moment in moments if moment), default=None)


def _memory(service: Known, seen: Observation) -> Memory:
    known = seen.memory.get(service.spec.name)
    if known is not None or service.previous is None:
        return known or Memory()
    return remembered(service.previous, service.wanted)


def _probes(service: Known, seen: Observation) -> Probes:
    """Judged are the pods that get the requests: while a new version is tried, those may be of either."""
    name, trouble, startup = service.spec.name, service.trouble, service.progress.startup
    serving = service.candidate if service.traffic is Traffic.CANDIDATE else service.workload
    failed = service.progress.state is ServiceState.FAILED
    return Probes(
        started=service.was_ready,
        pods=PodCounts(
            wanted=serving.wanted if serving else 1,  # that of a workload that is gone
            ready=serving.ready if serving else 0,
            trouble=str(trouble) if trouble else None,
            hopeless=trouble is not None and trouble.reason in _HOPELESS,
        ),
        ready=tuple(p.uid for p in seen.pods_of(name) if p.ready and service.traffic.reaches(p.variant)),
        evidence=seen.evidence.get(name, Evidence()),
        start_failed=f"{startup.reason}: {startup.message}" if failed else None,
    )
