"""One pass over one RAGDeployment: observe, plan, execute, status, events."""

import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from ragops.api.defaults import resolve
from ragops.api.rag import ObjectMeta, RAGDeployment
from ragops.api.status import RAGStatus
from ragops.api.validation import InvalidRAG, parse, problems
from ragops.cluster.cache import Key, WatchCache
from ragops.cluster.errors import ClusterError
from ragops.controller.execute import Executor
from ragops.controller.observe import observe, targets
from ragops.metrics.sampler import Sampler, Target
from ragops.orchestration.actions import Plan
from ragops.orchestration.observation import ApplyFailure
from ragops.orchestration.plan import plan, reject
from ragops.resources.pod import Images
from ragops.telemetry.events import event_manifest, transitions

logger = logging.getLogger(__name__)


class Reconciler:
    """Brings what is closer to what should be, one RAGDeployment at a time."""

    def __init__(
        self,
        cache: WatchCache,
        executor: Executor,
        sampler: Sampler,
        images: Images,
        identity: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._cache = cache
        self._executor = executor
        self._sampler = sampler
        self._images = images
        self._identity = identity
        self._clock = clock
        self._failures: dict[Key, dict[str, ApplyFailure]] = {}
        self._scaled: dict[Key, RAGDeployment] = {}

    def targets(self) -> Iterator[Target]:
        """All services that need samples, by the last accepted specs."""
        for key, rag in self._scaled.items():
            yield from targets(self._cache, key, rag)

    async def reconcile(self, key: Key) -> datetime | None:
        """One pass. Returns when to look again even if nothing happens.

        Raises ClusterError when something could not be written and a retry may help.
        """
        raw = self._cache.rag(key)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self._scaled.pop(key, None)
            self._failures.pop(key, None)  # garbage collection takes the children
            return None
        now = self._clock()
        meta, status = ObjectMeta.model_validate(raw["metadata"]), _status(key, raw)
        todo = self._plan(key, raw, status, now)
        failures = await self._executor.execute(key, meta, todo)
        self._failures[key] = failures
        await self._report(key, meta, status, todo, now)
        if failures:
            service, failure = next(iter(failures.items()))
            raise ClusterError(failure.reason, f"{service}: {failure.message}")
        return todo.wake_at

    def _plan(self, key: Key, raw: Mapping[str, Any], status: RAGStatus, now: datetime) -> Plan:
        try:
            rag = parse({**raw, "status": {}})
            faults = problems(rag)
        except InvalidRAG as error:
            faults = list(error.problems)
        if faults:
            return reject(status, raw["metadata"].get("generation", 0), faults, now)
        rag = resolve(rag).model_copy(update={"status": status})
        self._scaled[key] = rag
        seen = observe(self._cache, key, rag, self._sampler.windows(key), self._failures.get(key, {}))
        return plan(rag, seen, self._images, now)

    async def _report(self, key: Key, meta: ObjectMeta, before: RAGStatus, todo: Plan, now: datetime) -> None:
        """Status first: an Event tells of what is recorded."""
        if todo.status is None:
            return
        await self._executor.write_status(key, todo.status.to_wire())
        for transition in transitions(before, todo.status):
            await self._executor.create(key, event_manifest(meta, transition, self._identity, now))


def _status(key: Key, raw: Mapping[str, Any]) -> RAGStatus:
    """The status as stored. One that cannot be read is built anew from what is seen."""
    try:
        return RAGStatus.model_validate(raw.get("status") or {})
    except ValidationError as error:
        logger.warning("%s: the status cannot be read and is built anew: %s", key, error)
        return RAGStatus()
