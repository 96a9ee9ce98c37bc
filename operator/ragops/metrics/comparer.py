"""What a canary and the stable version beside it do with their requests, counted from when a step began.

Counts are kept in this process alone: after a restart they begin anew, and the step is judged later.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from ragops.cluster.cache import Key
from ragops.health.figures import Requests
from ragops.metrics.pod import Pod
from ragops.metrics.requests import requests
from ragops.metrics.source import ServiceId, Source, Target
from ragops.metrics.tasks import tell_failure
from ragops.orchestration.analysis import Comparison, Figures
from ragops.resources.variant import Variant

EVERY: Final = timedelta(seconds=5)
"""Between two samples of a canary."""


@dataclass(frozen=True)
class Compared:
    """A canary under way, in one of its steps."""

    revision: str
    step: int
    target: Target
    """What to measure, and how."""
    pods: Callable[[Variant], Sequence[Pod]]
    """The ready pods of a variant, when they are needed."""

    @property
    def service(self) -> ServiceId:
        """Whose canary it is."""
        return self.target.service


@dataclass
class _Canary:
    """What is kept of one canary."""

    counted: Comparison
    due: float
    started: bool = False
    """The first sample of a step, which is what the next one is compared with, has been taken."""
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Comparer:
    """Keeps the figures of all canaries under way. Not thread-safe: for one event loop."""

    def __init__(
        self,
        source: Source,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._wake = wake
        self._clock = clock
        self._canaries: dict[ServiceId, _Canary] = {}

    def comparison(self, service: ServiceId) -> Comparison | None:
        """The figures of a service's canary; None where none is measured."""
        known = self._canaries.get(service)
        return known.counted if known and known.started else None

    def start_due(self, canaries: Iterable[Compared]) -> None:
        """Starts the samples that are due, and forgets canaries that are no longer among these."""
        now = asyncio.get_running_loop().time()
        wanted = {canary.service: canary for canary in canaries}
        for gone in self._canaries.keys() - wanted.keys():
            self._drop(gone)
        for canary in wanted.values():
            known = self._canaries.get(canary.service)
            if known and (known.counted.revision, known.counted.step) != (canary.revision, canary.step):
                self._drop(canary.service)
                known = None
            if known is None:
                known = _Canary(Comparison(canary.revision, canary.step), due=now)
                self._canaries[canary.service] = known
            if known.due <= now and known.task is None:
                known.due = now + EVERY.total_seconds()
                known.task = asyncio.create_task(self._sample(known, canary))
                known.task.add_done_callback(partial(_ended, known))

    def reset(self) -> None:
        """Forgets everything: another replica has led, or will."""
        for service in list(self._canaries):
            self._drop(service)

    async def close(self) -> None:
        """Ends the samples under way."""
        tasks = [known.task for known in self._canaries.values() if known.task]
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sample(self, known: _Canary, canary: Compared) -> None:
        async with asyncio.TaskGroup() as group:
            tasks = {v: group.create_task(self._measure(canary, v)) for v in Variant}
        before = known.counted
        stable, candidate = (tasks[variant].result() for variant in (Variant.STABLE, Variant.CANDIDATE))
        if known.started:
            known.counted = Comparison(
                before.revision,
                before.step,
                _plus(before.stable, _levelled(stable, candidate)),
                _plus(before.candidate, _levelled(candidate, stable)),
            )
        known.started = True
        if known.counted != before:
            self._wake(canary.service.key)

    async def _measure(self, canary: Compared, variant: Variant) -> Requests | None:
        pods = sorted(canary.pods(variant), key=lambda pod: pod.name)
        return requests(await self._source.measure(canary.target, pods), self._clock())

    def _drop(self, service: ServiceId) -> None:
        if task := self._canaries.pop(service).task:
            task.cancel()


def _levelled(found: Requests | None, other: Requests | None) -> Requests | None:
    """Many libraries expose a counter of failures with the first of them. A version without any is known to
    have none where the other one's are counted.
    """
    if found is None or other is None or found.counted or not other.counted:
        return found
    return replace(found, counted=found.timed)


def _plus(figures: Figures, more: Requests | None) -> Figures:
    """With the requests since the sample before."""
    if more is None:
        return figures
    return Figures(
        requests=figures.requests + more.counted,
        errors=figures.errors + more.failed,
        timed=figures.timed + more.timed,
        busy=figures.busy + more.milliseconds / 1000,
    )


def _ended(known: _Canary, task: asyncio.Task[None]) -> None:
    known.task = None
    tell_failure(task, "comparison", "comparer")
