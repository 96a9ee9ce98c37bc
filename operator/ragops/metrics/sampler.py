"""Takes samples at each service's own pace, by one list request per namespace and sample."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from ragops.api.names import MANAGED_SELECTOR
from ragops.cluster.cache import Key
from ragops.cluster.errors import ClusterError
from ragops.cluster.protocol import Cluster
from ragops.metrics.resource import PodRequest, readings
from ragops.scaling.window import Sample, Window

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.25
"""How late a sample may be: less than the shortest sampling time of one second."""


@dataclass(frozen=True)
class Target:
    """A service to be sampled."""

    key: Key
    service: str
    every: timedelta
    keep: timedelta
    pods: Callable[[], Sequence[PodRequest]]
    """Its ready pods, when they are needed."""


class Sampler:
    """Keeps the windows of all services that are scaled."""

    def __init__(self, cluster: Cluster, wake: Callable[[Key], None]) -> None:
        self._cluster = cluster
        self._wake = wake
        self._windows: dict[Key, dict[str, Window]] = {}
        self._due: dict[tuple[Key, str], datetime] = {}
        self.resumed_from: datetime | None = None

    def windows(self, key: Key) -> dict[str, Window]:
        """The windows of one RAGDeployment, by service."""
        return self._windows.get(key, {})

    def reset(self, resumed_from: datetime | None) -> None:
        """Forgets all samples: this replica has just become the leader."""
        self._windows.clear()
        self._due.clear()
        self.resumed_from = resumed_from

    async def sample_due(self, targets: Iterable[Target], now: datetime) -> None:
        """Takes the samples that are due at `now`, of all the services that are scaled."""
        wanted = {(target.key, target.service): target for target in targets}
        for gone in self._due.keys() - wanted.keys():
            del self._due[gone]
            self._windows.get(gone[0], {}).pop(gone[1], None)
        for key in self._windows.keys() - {key for key, _ in wanted}:
            del self._windows[key]
        due = sorted(
            (t for identity, t in wanted.items() if self._due.get(identity, now) <= now),
            key=lambda t: (t.key, t.service),
        )
        grouped = [(namespace, list(group)) for namespace, group in groupby(due, lambda t: t.key.namespace)]
        async with asyncio.TaskGroup() as group:
            for namespace, members in grouped:
                group.create_task(self._sample(namespace, members))

    async def _sample(self, namespace: str, targets: Sequence[Target]) -> None:
        """One sample of all due services of a namespace. A failed request is a missing sample, no more."""
        started = datetime.now(UTC)
        for target in targets:
            self._due[target.key, target.service] = started + target.every
        try:
            items = await self._cluster.pod_metrics(namespace, MANAGED_SELECTOR)
        except ClusterError as error:
            logger.warning("no resource metrics for namespace %s: %s", namespace, error)
            items = ()
        at = datetime.now(UTC)
        for target in targets:
            windows = self._windows.setdefault(target.key, {})
            window = windows.get(target.service, Window(seen_until=self.resumed_from))
            sample = Sample(at.replace(microsecond=0), readings(items, target.pods(), at))
            windows[target.service] = window.with_sample(sample, target.keep)
        for key in {target.key for target in targets}:
            self._wake(key)
