"""The operator: all its parts and loops on one event loop, from the first list to the graceful end."""

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import kopf

from ragops.cluster.cache import Key, WatchCache, prime
from ragops.cluster.client import KubernetesCluster
from ragops.cluster.errors import ClusterError, NotLeaderError, UnavailableError
from ragops.cluster.lease import Alone, Elector, Leadership
from ragops.controller import handlers
from ragops.controller.checkpoints import EVERY_SECONDS, LONGEST_SECONDS, LOOK_SECONDS, Checkpoints
from ragops.controller.execute import Executor
from ragops.controller.queue import WorkQueue
from ragops.controller.reconcile import Reconciler
from ragops.controller.server import application, serving
from ragops.controller.settings import Settings
from ragops.metrics.comparer import Comparer
from ragops.metrics.endpoint import EndpointSource
from ragops.metrics.gateway import Gateways
from ragops.metrics.prober import TICK_SECONDS as PROBE_TICK_SECONDS
from ragops.metrics.prober import Prober
from ragops.metrics.requests_source import RequestsSource
from ragops.metrics.resource import ResourceSource
from ragops.metrics.sampler import TICK_SECONDS, Sampler
from ragops.metrics.scrape import Scraper
from ragops.metrics.source import Source
from ragops.metrics.usage import Usages
from ragops.telemetry.decisions import DecisionLog
from ragops.telemetry.metrics import LEADER, PASS_SECONDS, PASSES, UNEXPECTED

logger = logging.getLogger(__name__)

WORKERS = 4
RESYNC_SECONDS = 600
PRIME_RETRY_SECONDS = 1
FRESH_SECONDS = 1
"""Age up to which a list is as good as a new one, so that the only replica begins without another."""
GAP_SECONDS = handlers.RECONNECT_SECONDS + 1
"""By then all watches that were broken together have been resumed."""
STUCK_SECONDS = 120
"""A pass that takes longer, or a queue of which nothing is taken: the operator must be restarted."""
PASS_TIMEOUT_SECONDS = 90


class Operator:
    """All parts of the operator, wired."""

    def __init__(
        self,
        settings: Settings,
        cluster: KubernetesCluster,
        sources: Sequence[Source],
        pods: Scraper,
        decisions: DecisionLog | None = None,
    ) -> None:
        self._settings = settings
        self._decisions = decisions
        self._cluster = cluster
        self._cache = WatchCache()
        self._queue = WorkQueue()
        self._primed = False
        self._listing = asyncio.Lock()
        self._listed_at = -math.inf
        self._led_since = -math.inf
        """By the monotonic clock: when the cache was last filled, and when this replica became the leader."""
        self._taken_over = asyncio.Event()
        self._gap = asyncio.Event()
        self._elector = (
            Elector(cluster, settings.lease, settings.identity, self._leadership_changed)
            if settings.leader_election
            else None
        )
        self._leadership: Leadership = self._elector or Alone()
        cluster.fence = self._leadership.check
        self._gateways = Gateways(pods)
        resources = ResourceSource(cluster)
        self._usages = Usages(resources, self._queue.add_gently)

        def measured() -> Source:
            return RequestsSource(EndpointSource(pods), self._gateways)

        self._sampler = Sampler([measured(), resources, *sources], self._queue.add_gently)
        self._prober = Prober(pods, measured(), self._queue.add_gently)
        self._comparer = Comparer(measured(), self._queue.add_gently)
        self._checkpoints = Checkpoints(cluster, settings.lease)
        self._restored = False
        self._reconciler = Reconciler(
            self._cache,
            Executor(cluster, self._cache, self._leadership),
            self._sampler,
            self._prober,
            self._comparer,
            self._gateways,
            self._usages,
            settings.images,
            settings.cluster_domain,
            settings.identity,
            record=decisions.add if decisions else lambda _: None,
        )

    async def run(self) -> None:
        """Runs until SIGTERM or SIGINT, then cancels the passes under way and gives the lease back."""
        app = application(self._not_alive, self._not_ready, self._healths)
        async with serving(app, self._settings.port):
            await self._prime_first()
            if self._elector is None:
                self._leadership_changed(True)
            tasks = [asyncio.create_task(job, name=job.__qualname__) for job in self._jobs()]
            watching = asyncio.create_task(self._watch(), name="watch")
            try:
                # kopf ends on a signal; any of ours ending is a fault, and the pod is restarted.
                done, _ = await asyncio.wait({watching, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    if not task.cancelled():  # by kopf, which at its end cancels what is younger than it
                        task.result()
            finally:
                await self._save_learned(older_than=0.0)
                for task in (*tasks, watching):
                    task.cancel()
                await asyncio.gather(*tasks, watching, return_exceptions=True)
                await self._sampler.close()
                await self._prober.close()
                await self._comparer.close()
                await self._gateways.close()
                await self._usages.close()

    def _jobs(self) -> list[Coroutine[None, None, None]]:
        jobs = [self._work() for _ in range(WORKERS)]
        jobs += [self._resync(), self._take_over(), self._keep_learned()]
        jobs.append(self._repeat("sampler", self._sample, TICK_SECONDS))
        jobs.append(self._repeat("prober", self._probe, PROBE_TICK_SECONDS))
        if self._elector is not None:
            jobs.append(self._elector.run())
        return jobs

    async def _watch(self) -> None:
        await kopf.operator(
            registry=handlers.registry(self._cache, self._queue.add, self._gap.set),
            settings=handlers.settings(),
            clusterwide=not self._settings.namespaces,
            namespaces=self._settings.namespaces,
            standalone=True,
        )

    async def _prime(self) -> None:
        async with self._listing:
            began = time.monotonic()
            keys = await prime(self._cache, self._cluster, self._settings.namespaces)
            # However long the first one takes: another would take as long, and hold up the start.
            self._listed_at = began if self._primed else time.monotonic()
        self._primed = True
        for key in keys:
            self._queue.add(key)

    async def _prime_first(self) -> None:
        """Waits for an API server that is starting."""
        while not self._primed:
            try:
                await self._prime()
            except UnavailableError as error:
                logger.warning("the API server is not available yet: %s", error)
                await asyncio.sleep(PRIME_RETRY_SECONDS)

    async def _resync(self) -> None:
        """A full list after a gap in a watch, and from time to time: heals whatever may have been missed."""
        while True:
            with suppress(TimeoutError):
                # Not wait_for, which makes a task: kopf cancels, at its end, tasks that are younger than it.
                async with asyncio.timeout(RESYNC_SECONDS):
                    await self._gap.wait()
                await asyncio.sleep(GAP_SECONDS)
            self._gap.clear()
            try:
                await self._prime()
            except ClusterError as error:
                logger.warning("resync failed and will be repeated: %s", error)
                self._gap.set()

    async def _take_over(self) -> None:
        """A full list before the first pass of a new leader."""
        while True:
            await self._taken_over.wait()
            try:
                await self._prime()
                self._taken_over.clear()
            except ClusterError as error:
                logger.warning("what is there cannot be listed yet: %s", error)
                await asyncio.sleep(PRIME_RETRY_SECONDS)

    async def _repeat(self, what: str, step: Callable[[], Awaitable[float]], pause: float) -> None:
        """The outer loop around what a leader does all the time: a step says when the next one is due."""
        while True:
            seconds = pause
            if self._leadership.holds:
                try:
                    seconds = await step()
                except Exception:  # the edge of the loop: the next step may go well
                    logger.exception("unexpected error in the %s", what)
                    UNEXPECTED.labels(what).inc()
            await asyncio.sleep(seconds)

    async def _sample(self) -> float:
        if not self._restored:
            await self._restore()
        return self._sampler.start_due(self._reconciler.targets(), datetime.now(UTC))

    async def _probe(self) -> float:
        self._prober.start_due(self._reconciler.checked())
        self._comparer.start_due(self._reconciler.compared())
        self._gateways.start_due(self._reconciler.gateways(), self._queue.add_gently)
        self._usages.start_due(self._reconciler.weighed())
        return PROBE_TICK_SECONDS

    async def _restore(self) -> None:
        """What the leader before has learned. Scaling does not wait for long for it."""
        self._restored = True
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                self._sampler.restore(await self._checkpoints.load())
        except (ClusterError, TimeoutError) as error:
            logger.warning("what was learned before cannot be had and is learned anew: %s", error)

    async def _keep_learned(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self._save_learned(EVERY_SECONDS)

    async def _save_learned(self, older_than: float) -> None:
        if not (self._leadership.holds and self._restored):
            return
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._checkpoints.remove_gone(self._reconciler.knows)
                await self._checkpoints.save(list(self._sampler.learned()), older_than)
        except NotLeaderError:
            logger.info("what was learned is not stored: another replica leads")
        except (ClusterError, TimeoutError) as error:
            logger.warning("what was learned cannot be stored now: %s", error)

    async def _work(self) -> None:
        """One worker: the outer loop around the passes."""
        while True:
            key = await self._queue.get()
            failed = False
            try:
                if self._leadership.holds and self._is_current:
                    failed = not await self._pass(key)
            finally:
                self._queue.done(key, failed)

    async def _pass(self, key: Key) -> bool:
        """One pass with its metrics and errors. Returns whether it went well."""
        started = time.monotonic()
        outcome = "failed"
        try:
            async with asyncio.timeout(PASS_TIMEOUT_SECONDS):
                done = await self._reconciler.reconcile(key)
            if self._cache.rag(key) is None:
                self._queue.forget(key)
            elif done.wake_at is not None:
                self._queue.add_after(key, (done.wake_at - datetime.now(UTC)).total_seconds())
            for failure in done.failures:
                logger.warning("%s: a write will be repeated: %s", key, failure)
            outcome = "failed" if done.failures else "done"
        except NotLeaderError:
            outcome = "not-leader"
        except (ClusterError, TimeoutError) as error:
            logger.warning("%s: the pass will be repeated: %s", key, error)
        except Exception:  # the edge of the outer loop: one bad object must not stop the others
            logger.exception("%s: unexpected error in a pass", key)
            UNEXPECTED.labels("pass").inc()
        finally:
            PASSES.labels(outcome).inc()
            PASS_SECONDS.observe(time.monotonic() - started)
        return outcome != "failed"

    @property
    def _is_current(self) -> bool:
        """The cache has all that another replica wrote while that one led. Until then no key is taken up: all
        are queued when it has."""
        return self._listed_at > self._led_since - FRESH_SECONDS

    def _leadership_changed(self, leads: bool) -> None:
        LEADER.set(leads)
        self._restored = False
        self._sampler.reset(self._leadership.resumed_from)
        self._prober.reset()
        self._comparer.reset()
        self._gateways.reset()
        self._usages.reset()
        if leads:
            self._gap.set()  # a standby may have lost a watch without noticing yet
            if self._decisions is not None:
                self._decisions.reset(self._leadership.resumed_from)
            self._led_since = time.monotonic()
            if self._is_current:
                for key in self._cache.rags():
                    self._queue.add(key)
            else:
                self._taken_over.set()
        else:
            self._reconciler.stand_by()

    def _not_alive(self) -> str | None:
        stuck = self._queue.stuck_seconds()
        return f"no progress of the passes for {stuck:.0f} s" if stuck > STUCK_SECONDS else None

    def _healths(self) -> Iterator[dict[str, Any]] | None:
        if not self._leadership.holds:
            return None
        return (reading.to_wire() for reading in self._reconciler.healths())

    def _not_ready(self) -> str | None:
        return None if self._primed else "the watch cache is not filled yet"
