"""Takes samples of each service at its own pace, from several sources; none waits for another service's."""

import asyncio
import logging
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from ragops.api.autoscaling import MetricType
from ragops.cluster.cache import Key
from ragops.metrics.pod import Pod
from ragops.metrics.source import PASSING, Measured, ServiceId, Source, Target
from ragops.metrics.tasks import tell_failure
from ragops.scaling.learning import MAX_STARTS, Learned, start_seconds
from ragops.scaling.sample import Sample
from ragops.scaling.window import Window
from ragops.telemetry.metrics import SAMPLE_AGE, SAMPLES, SAMPLES_MISSING

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.25
"""How late the first sample of a service may be, or one that had to wait for the one before it."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class _Service:
    """What is kept of one service that is sampled."""

    window: Window
    due: datetime
    task: asyncio.Task[None] | None = None
    starts: dict[str, float] = field(default_factory=dict)
    """Start-up times in seconds by uid, of the pods that are and of some that were."""
    told: Collection[MetricType] = ()
    """What the log was last told to be missing."""


class Sampler:
    """Keeps the windows of all services that are scaled. Not thread-safe: for one event loop."""

    def __init__(self, sources: Sequence[Source], wake: Callable[[Key], None]) -> None:
        self._sources = sources
        self._wake = wake
        self._services: dict[Key, dict[str, _Service]] = {}
        self._resumed_from: datetime | None = None
        self._restored: dict[ServiceId, Learned] = {}

    def restore(self, learned: Mapping[ServiceId, Learned]) -> None:
        """What was learned before this replica became the leader, for the services that will be sampled."""
        self._restored = dict(learned)

    def learned(self) -> Iterator[tuple[ServiceId, Learned]]:
        """What is known by now of the services in mode Predictive."""
        for key, services in self._services.items():
            for name, service in services.items():
                if service.window.learned is not None:
                    yield ServiceId(key, name), service.window.learned

    def windows(self, key: Key) -> dict[str, Window]:
        """The windows of one RAGDeployment, by service, of those that have been sampled."""
        services = self._services.get(key, {})
        return {name: service.window for name, service in services.items() if service.window.samples}

    @property
    def unsampled(self) -> Window:
        """The window of a service that has not been sampled yet: it says since when nobody has watched."""
        return Window(seen_until=self._resumed_from)

    def reset(self, resumed_from: datetime | None) -> None:
        """Forgets all samples: this replica has just become the leader."""
        for service in self._ids():
            self._drop(service)
        self._resumed_from = resumed_from

    def start_due(self, targets: Iterable[Target], now: datetime) -> float:
        """Starts the samples that are due at `now`, of all the services that are scaled.

        Returns at once: a sample ends in its own time, by waking up its RAGDeployment. One that is still
        under way when the next is due takes that one's place. The answer is the seconds until the next call.
        """
        wanted = {target.service: target for target in targets}
        for gone in self._ids() - wanted.keys():
            self._drop(gone)
        for target in wanted.values():
            service = self._service(target.service, now)
            # A clock that went back must not stop the samples until it is where it was.
            if not service.due - 2 * target.every < now < service.due and service.task is None:
                service.due = next_due(now, target)
                service.task = asyncio.create_task(self._sample(service, target, now))
                service.task.add_done_callback(partial(_ended, service))
        ahead = [s.due for services in self._services.values() for s in services.values() if s.due > now]
        return min([TICK_SECONDS, *((due - now).total_seconds() for due in ahead)])

    async def close(self) -> None:
        """Ends the samples under way."""
        tasks = [s.task for services in self._services.values() for s in services.values() if s.task]
        for service in self._ids():
            self._drop(service)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sample(self, service: _Service, target: Target, now: datetime) -> None:
        """One sample, by all sources side by side."""
        pods = sorted(target.pods(), key=lambda pod: pod.name)
        async with asyncio.TaskGroup() as group:
            tasks = {s.name: group.create_task(s.measure(target, pods)) for s in self._sources}
        answers = {name: task.result() for name, task in tasks.items()}
        for name, answer in answers.items():
            for missing in answer.missing.values():
                SAMPLES_MISSING.labels(name, missing.reason).inc()
        _remember_starts(service.starts, pods)
        sample = replace(
            joined(now, answers.values()), start_seconds=start_seconds(list(service.starts.values()))
        )
        service.window = target.observe(service.window, sample)
        _tell(service, target.service, sample)
        taken = time.time()
        SAMPLE_AGE.labels(*target.service.labels).set_function(lambda: time.time() - taken)
        self._wake(target.service.key)

    def _service(self, service: ServiceId, now: datetime) -> _Service:
        services = self._services.setdefault(service.key, {})
        if service.name not in services:
            begin = replace(self.unsampled, learned=self._restored.pop(service, None))
            services[service.name] = _Service(begin, due=now)
        return services[service.name]

    def _ids(self) -> set[ServiceId]:
        return {ServiceId(key, name) for key, services in self._services.items() for name in services}

    def _drop(self, service: ServiceId) -> None:
        services = self._services[service.key]
        if task := services.pop(service.name).task:
            task.cancel()
        if not services:
            del self._services[service.key]
        SAMPLE_AGE.remove(*service.labels)


def next_due(now: datetime, target: Target) -> datetime:
    """When to sample after a sample at `now`: at the whole multiples of the sampling time.

    So the services of a namespace ask at the same time, which takes one list request, and a late sample does
    not delay those after it. Namespaces are spread over the time.
    """
    every = target.every
    start = _EPOCH + timedelta(seconds=zlib.crc32(target.service.key.namespace.encode()))
    return start + every * ((now + every / 2 - start) // every + 1)


def joined(at: datetime, answers: Collection[Measured]) -> Sample:
    """One sample from the answers of several sources, each with metrics of its own."""
    return Sample(
        at=at.replace(microsecond=0),
        readings={kind: reading for answer in answers for kind, reading in answer.readings.items()},
        arrivals=next((answer.arrivals for answer in answers if answer.arrivals), None),
        missing={
            kind: missing.text
            for answer in answers
            for kind, missing in answer.missing.items()
            if missing.reason not in PASSING
        },
    )


def _remember_starts(starts: dict[str, float], pods: Sequence[Pod]) -> None:
    """The first start of each pod: one that was unready for a while has not been started anew."""
    for pod in pods:
        if pod.start_seconds is not None:
            starts.setdefault(pod.uid, pod.start_seconds)
    here = {pod.uid for pod in pods}
    gone = [uid for uid in starts if uid not in here]
    for uid in gone[:-MAX_STARTS]:
        del starts[uid]


def _tell(service: _Service, name: ServiceId, sample: Sample) -> None:
    """Counts the sample, and logs what is missing when that has changed."""
    readings = sample.readings.values()
    if all(reading.complete for reading in readings):
        SAMPLES.labels("complete").inc()
    else:
        SAMPLES.labels("partial" if any(reading.measured for reading in readings) else "missing").inc()
    for metric, why in sample.missing.items():
        # Why may change with every sample, such as the pod that it names.
        if metric not in service.told:
            logger.warning("%s: no value of %s: %s", name, metric, why)
    service.told = sample.missing.keys()


def _ended(service: _Service, task: asyncio.Task[None]) -> None:
    service.task = None
    tell_failure(task, "sample", "sampler")
