"""One pass over one RAGDeployment: observe, plan, execute, status, events."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from ragops.api.defaults import resolve
from ragops.api.problems import Problem
from ragops.api.rag import ObjectMeta, RAGDeployment
from ragops.api.status import RAGStatus
from ragops.api.validation import InvalidRAG, parse, problems
from ragops.cluster.cache import Key, WatchCache
from ragops.cluster.errors import ClusterError
from ragops.controller.execute import Executor
from ragops.controller.observe import checked, compared, gateway_pods, observe, targets, weighed
from ragops.controller.readings import ServiceReading, by_service, readings
from ragops.health.assess import Memory
from ragops.metrics.comparer import Compared, Comparer
from ragops.metrics.gateway import Gateways
from ragops.metrics.pod import Pod
from ragops.metrics.prober import Checked, Prober
from ragops.metrics.sampler import Sampler
from ragops.metrics.source import ServiceId, Target
from ragops.metrics.usage import Usages, Weighed
from ragops.orchestration.actions import Plan
from ragops.orchestration.observation import ApplyFailure
from ragops.orchestration.plan import plan, reject
from ragops.orchestration.report import undone
from ragops.resources.pod import Images
from ragops.scaling.record import Record
from ragops.telemetry.events import event_manifest, transitions
from ragops.telemetry.health import HealthMetrics
from ragops.telemetry.scaling import ScalingMetrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Done:
    """What is left to do after a pass."""

    wake_at: datetime | None = None
    """When to look again even if nothing happens."""
    failures: tuple[str, ...] = ()
    """What could not be written, of which a retry may bring more; all else was."""


class Reconciler:
    """Brings what is closer to what should be, one RAGDeployment at a time."""

    def __init__(
        self,
        cache: WatchCache,
        executor: Executor,
        sampler: Sampler,
        prober: Prober,
        comparer: Comparer,
        gateways: Gateways,
        usages: Usages,
        images: Images,
        cluster_domain: str,
        identity: str,
        record: Callable[[Record], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cache = cache
        self._executor = executor
        self._sampler = sampler
        self._prober = prober
        self._comparer = comparer
        self._gateways = gateways
        self._usages = usages
        self._images = images
        self._cluster_domain = cluster_domain
        self._identity = identity
        self._record = record
        self._clock = clock
        self._metrics = ScalingMetrics()
        self._health = HealthMetrics()
        self._memory: dict[Key, Mapping[str, Memory]] = {}
        self._checked: dict[Key, tuple[Checked, ...]] = {}
        self._compared: dict[Key, tuple[Compared, ...]] = {}
        self._failures: dict[Key, dict[str, ApplyFailure]] = {}
        self._specs: dict[Key, tuple[tuple[str, int], RAGDeployment | Sequence[Problem]]] = {}

    def stand_by(self) -> None:
        """Another replica leads: what this one knows of the decisions is no longer so."""
        for key in self._specs:
            self._metrics.publish(*key, ())
            self._health.publish(*key, {})
        self._memory.clear()
        self._checked.clear()
        self._compared.clear()
        self._failures.clear()
        self._specs.clear()  # one that is deleted meanwhile is never looked at again

    def knows(self, service: ServiceId) -> bool:
        """Whether there is such a service in a RAGDeployment, or the spec of it cannot be read."""
        _, rag = self._specs.get(service.key, (None, None))
        if isinstance(rag, RAGDeployment):
            return any(spec.name == service.name for spec in rag.spec.services)
        return self._cache.rag(service.key) is not None

    def targets(self) -> Iterator[Target]:
        """All services that need samples."""
        for key, (_, rag) in self._specs.items():
            if isinstance(rag, RAGDeployment):
                yield from targets(self._cache, key, rag)

    def checked(self) -> Iterator[Checked]:
        """All services whose pods are checked or measured for their health."""
        for services in self._checked.values():
            yield from services

    def gateways(self) -> Iterator[tuple[Key, Sequence[Pod]]]:
        """The ready pods of all gateways."""
        for key, (_, rag) in self._specs.items():
            if isinstance(rag, RAGDeployment) and rag.spec.gateway.enabled:
                yield key, gateway_pods(self._cache, key)

    def weighed(self) -> Iterator[Weighed]:
        """All services whose requests are spread by the usage of their pods."""
        for key, (_, rag) in self._specs.items():
            if isinstance(rag, RAGDeployment):
                yield from weighed(self._cache, key, rag)

    def compared(self) -> Iterator[Compared]:
        """All canaries that are measured beside the stable versions."""
        for canaries in self._compared.values():
            yield from canaries

    def healths(self) -> Iterator[ServiceReading]:
        """The current readings of all services."""
        for key in list(self._specs):
            raw = self._cache.rag(key)
            if raw is not None:
                yield from readings(self._cache, key, _status(key, raw), self._prober)

    async def reconcile(self, key: Key) -> Done:
        """One pass. Raises ClusterError when its outcome could not be recorded and a retry may help."""
        raw = self._cache.rag(key)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self._specs.pop(key, None)
            self._metrics.publish(*key, ())
            self._health.publish(*key, {})
            self._memory.pop(key, None)
            self._checked.pop(key, None)
            self._compared.pop(key, None)
            self._failures.pop(key, None)  # garbage collection takes the children
            return Done()
        now = self._clock()
        meta, status = ObjectMeta.model_validate(raw["metadata"]), _status(key, raw)
        todo = self._plan(key, raw, meta, status, now)
        self._metrics.publish(*key, todo.records)
        self._memory[key] = todo.health or self._memory.get(key, {})
        self._health.publish(*key, by_service(key, todo.status or status, self._prober))
        for record in todo.records:
            self._record(record)
        told = self._failures.get(key)
        failures = await self._executor.execute(key, meta, todo)
        self._failures[key] = failures
        unscaled = {scale.service for scale in todo.scales} & failures.keys()
        if unscaled and todo.status is not None:
            todo = replace(todo, status=undone(todo.status, status, unscaled))
        await self._report(key, meta, status, todo, now)
        if not failures and told:
            return Done(now)  # the status does not know yet that the failures are over
        return Done(
            todo.wake_at, tuple(f"{service}: {failure.message}" for service, failure in failures.items())
        )

    def _plan(
        self, key: Key, raw: Mapping[str, Any], meta: ObjectMeta, status: RAGStatus, now: datetime
    ) -> Plan:
        spec = self._read(key, raw)
        if not isinstance(spec, RAGDeployment):
            return reject(status, meta.generation, spec, now)
        rag = spec.model_copy(update={"status": status, "metadata": meta})
        self._compared[key] = tuple(compared(self._cache, key, rag, status))
        names = [service.name for service in rag.spec.services]
        windows = dict.fromkeys(names, self._sampler.unsampled) | self._sampler.windows(key)
        self._checked[key] = self._checked.get(key) or tuple(checked(self._cache, key, rag))
        evidence = {name: self._prober.evidence(ServiceId(key, name)) for name in names}
        found = {name: self._comparer.comparison(ServiceId(key, name)) for name in names}
        seen = observe(
            self._cache,
            key,
            rag,
            windows,
            self._failures.get(key, {}),
            evidence,
            self._memory.get(key, {}),
            {name: comparison for name, comparison in found.items() if comparison},
            self._gateways.reports(key),
            {name: self._usages.of(ServiceId(key, name)) for name in names},
        )
        return plan(rag, seen, self._images, now, self._cluster_domain)

    def _read(self, key: Key, raw: Mapping[str, Any]) -> RAGDeployment | Sequence[Problem]:
        """The resolved object, or what is wrong with it. Judged once a generation: it takes time."""
        metadata = raw["metadata"]
        generation = (metadata.get("uid", ""), metadata.get("generation", 0))
        known = self._specs.get(key)
        if known is None or known[0] != generation:
            known = self._specs[key] = (generation, _judge(raw))
            self._checked.pop(key, None)
        return known[1]

    async def _report(self, key: Key, meta: ObjectMeta, before: RAGStatus, todo: Plan, now: datetime) -> None:
        """Status first: an Event tells of what is recorded."""
        if todo.status is None:
            return
        await self._executor.write_status(key, meta, todo.status.to_wire())
        for transition in transitions(before, todo.status):
            try:
                await self._executor.create(key, event_manifest(meta, transition, self._identity, now))
            except ClusterError as error:
                logger.warning("%s: no Event could be made of %s: %s", key, transition.reason, error)


def _judge(raw: Mapping[str, Any]) -> RAGDeployment | Sequence[Problem]:
    try:
        rag = parse({**raw, "status": {}})
    except InvalidRAG as error:
        return error.problems
    return problems(rag) or resolve(rag)


def _status(key: Key, raw: Mapping[str, Any]) -> RAGStatus:
    """The status as stored. One that cannot be read is built anew from what is seen."""
    try:
        return RAGStatus.model_validate(raw.get("status") or {})
    except ValidationError as error:
        logger.warning("%s: the status cannot be read and is built anew: %s", key, error)
        return RAGStatus()
