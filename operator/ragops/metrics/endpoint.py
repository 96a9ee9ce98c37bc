"""The pods' Prometheus endpoints as a source: scraped side by side, each with what it gave before.

A pod that hangs, or sends more than it should, costs nothing but its own sample: each scrape has a limit of
time and size, those that did not answer go last, and parsing has a share of the time and no more.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ragops.metrics.endpoint_readings import Answer, measured, wanted_names
from ragops.metrics.exposition import Exposition, parse
from ragops.metrics.pod import Pod
from ragops.metrics.scrape import Scraper
from ragops.metrics.source import ANSWER_SECONDS, Measured, Missing, MissingReason, SourceError, Target
from ragops.metrics.traffic import Scrape, traffic

PODS_AT_ONCE: Final = 32
"""Scrapes at a time of one service."""
PARSE_SHARE: Final = 0.25
"""Of a service's sampling time: longer parsing of what its pods send would delay the other services."""
RECENT_SAMPLES: Final = 4
"""A scrape that lies further back says nothing about the load of late."""
FORGET_SECONDS: Final = RECENT_SAMPLES * 300
"""By then the scrapes of a service with the longest sampling time are of no more use."""


@dataclass
class _Round:
    """One sample of one service under way."""

    target: Target
    wanted: frozenset[str]
    deadline: float
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PODS_AT_ONCE))
    parsing_seconds: float = 0.0


class EndpointSource:
    """ResponseTime, QueueDepth, ErrorRate and the arrivals."""

    name = "endpoint"

    def __init__(self, scraper: Scraper, clock: Callable[[], float] = time.monotonic) -> None:
        self._scraper = scraper
        self._clock = clock
        self._last: dict[str, Scrape] = {}
        """The last scrape of each pod, by uid."""
        self._unanswered: dict[str, float] = {}
        """By uid: when a pod was last asked, of those that gave no answer."""
        self._parser = asyncio.Lock()

    async def measure(self, target: Target, pods: Sequence[Pod]) -> Measured:
        """See Source."""
        wanted = wanted_names(target)
        if not wanted:
            return Measured()
        self._forget()
        seconds = min(target.every.total_seconds(), ANSWER_SECONDS)
        this = _Round(target, wanted, asyncio.get_running_loop().time() + seconds)
        async with asyncio.TaskGroup() as group:
            tasks = {
                pod.name: group.create_task(self._answer(this, pod)) for pod in self._answering_first(pods)
            }
        return measured(target, [tasks[pod.name].result() for pod in pods])

    async def _answer(self, this: _Round, pod: Pod) -> Answer:
        try:
            async with asyncio.timeout_at(this.deadline), this.slots:
                return await self._scrape(this, pod)
        except SourceError as error:
            return Answer(pod, missing=Missing(error.missing.reason, f"pod {pod.name}: {error}"))
        except TimeoutError:
            return Answer(pod, missing=Missing(MissingReason.TIMEOUT, f"pod {pod.name}: no answer in time"))

    async def _scrape(self, this: _Round, pod: Pod) -> Answer:
        target = this.target
        port, path = target.endpoint.port, target.endpoint.path
        assert port is not None, "the port of a target's endpoint is filled in"
        self._unanswered[pod.uid] = self._clock()
        body = await self._scraper.get(pod, port, path)
        at = self._clock()
        self._unanswered.pop(pod.uid, None)
        origin = (pod.restarts, port, path, this.wanted)
        scrape = Scrape(at, origin, await self._parse(this, body))
        before = self._last.get(pod.uid)
        self._last[pod.uid] = scrape
        oldest = at - RECENT_SAMPLES * target.every.total_seconds()
        if before is None or before.origin != origin or not oldest <= before.at < at:
            why = Missing(MissingReason.FIRST_SCRAPE, f"pod {pod.name}: the first scrape is to compare with")
            return Answer(pod, scrape.exposed, missing=why)
        if (found := traffic(before, scrape, target.endpoint)) is None:
            why = Missing(MissingReason.MALFORMED, f"pod {pod.name}: counters that no counting gives")
            return Answer(pod, scrape.exposed, missing=why)
        return Answer(pod, scrape.exposed, found)

    async def _parse(self, this: _Round, body: bytes) -> Exposition:
        """One answer at a time, with a turn for everything else after it."""
        async with self._parser:
            if this.parsing_seconds > PARSE_SHARE * this.target.every.total_seconds():
                raise SourceError(MissingReason.TOO_LARGE, "the service's pods expose too much to parse")
            started = time.perf_counter()
            try:
                return parse(body, this.wanted)
            finally:
                this.parsing_seconds += time.perf_counter() - started
                await asyncio.sleep(0)

    def _answering_first(self, pods: Sequence[Pod]) -> list[Pod]:
        """Pods that hang go last, so that they take no other pod's slot."""
        return sorted(pods, key=lambda pod: pod.uid in self._unanswered)

    def _forget(self) -> None:
        oldest = self._clock() - FORGET_SECONDS
        self._last = {uid: scrape for uid, scrape in self._last.items() if scrape.at >= oldest}
        self._unanswered = {uid: at for uid, at in self._unanswered.items() if at >= oldest}
