"""What each pod uses of what it requests, for the gateways that balance by it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from ragops.cluster.cache import Key
from ragops.gateway.files import Usage
from ragops.metrics.pod import Pod
from ragops.metrics.resource import ResourceSource
from ragops.metrics.source import ServiceId
from ragops.metrics.tasks import tell_failure

EVERY_SECONDS: Final = 15.0
OLD_SECONDS: Final = 120.0
"""An older sample says nothing about the load of now."""


@dataclass(frozen=True)
class Weighed:
    """A service whose requests are spread by the usage of its pods."""

    service: ServiceId
    pods: Callable[[], Sequence[Pod]]


@dataclass
class _Service:
    due: float
    taken: float | None = None
    usage: Mapping[str, Usage] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Usages:
    """The last sample of each service. Not thread-safe: for one event loop."""

    def __init__(
        self,
        source: ResourceSource,
        wake: Callable[[Key], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._wake = wake
        self._clock = clock
        self._services: dict[ServiceId, _Service] = {}

    def of(self, service: ServiceId) -> Mapping[str, Usage]:
        """By the pods' addresses; nothing where it is not known, or was too long ago."""
        known = self._services.get(service)
        if known is None or known.taken is None or self._clock() - known.taken > OLD_SECONDS:
            return {}
        return known.usage

    def start_due(self, wanted: Iterable[Weighed]) -> None:
        """Starts the samples that are due, and forgets services that are no longer wanted."""
        now, services = self._clock(), {weighed.service: weighed for weighed in wanted}
        for gone in self._services.keys() - services.keys():
            self._drop(gone)
        for service, weighed in services.items():
            known = self._services.setdefault(service, _Service(due=now))
            if known.due <= now and known.task is None:
                known.due = now + EVERY_SECONDS
                known.task = asyncio.create_task(self._sample(known, weighed))
                known.task.add_done_callback(partial(_ended, known))

    def reset(self) -> None:
        """Forgets everything: another replica has led, or will."""
        for service in list(self._services):
            self._drop(service)

    async def close(self) -> None:
        """Ends the samples under way."""
        tasks = [known.task for known in self._services.values() if known.task]
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sample(self, known: _Service, weighed: Weighed) -> None:
        usage = await self._source.shares(weighed.service.key.namespace, weighed.pods())
        if usage:
            known.usage, known.taken = usage, self._clock()
        self._wake(weighed.service.key)

    def _drop(self, service: ServiceId) -> None:
        if task := self._services.pop(service).task:
            task.cancel()


def _ended(known: _Service, task: asyncio.Task[None]) -> None:
    known.task = None
    tell_failure(task, "sample of usage", "usage")
