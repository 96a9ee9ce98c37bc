"""The operator's own checks of the pods of each service, and their figures: what health is judged by.

Checks of a service are spread over its period, each pod always at its own moment of it. One that hangs costs
its own slot and no other service's. Services whose pods have never answered are asked less and less often:
most likely the operator cannot reach them, which says nothing about them. Nor does it when all services that
are asked stop answering at once.
"""

import asyncio
import logging
import zlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from weakref import WeakValueDictionary

from ragops.api.health import HealthCheckSpec
from ragops.cluster.cache import Key
from ragops.health.assess import Evidence
from ragops.health.checks import CheckResult, PodChecks
from ragops.health.figures import with_sample
from ragops.metrics.outage import Silence
from ragops.metrics.pod import Pod
from ragops.metrics.requests import requests
from ragops.metrics.scrape import NoWayError, Scraper
from ragops.metrics.source import ServiceId, Source, SourceError, Target
from ragops.metrics.tasks import tell_failure
from ragops.telemetry.health import CHECK_RESULTS, CHECKS

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.5
CHECKS_AT_ONCE: Final = 256
"""Of all services."""
RAG_CHECKS_AT_ONCE: Final = 32
"""Of one RAGDeployment, so that the hanging pods of one leave room for the others."""
SERVICE_CHECKS_AT_ONCE: Final = 16
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Between two rounds of a service whose pods have never answered."""
PATIENT_ROUNDS: Final = 6
"""Rounds without any answer until the pauses grow, and what was found before a restart is forgotten."""
CUT_OFF: Final = "no pod of any service answers the operator"


@dataclass(frozen=True)
class Checked:
    """A service whose health is looked after."""

    service: ServiceId
    pods: Callable[[], Sequence[Pod]]
    """Its ready pods, when they are needed."""
    spec: HealthCheckSpec
    path: str
    port: int
    checked: bool
    """Whether its pods are asked."""
    figures: Target | None
    """What its requests are measured by; None: they are not."""

    @property
    def period(self) -> timedelta:
        """Between two checks of a pod."""
        return timedelta(seconds=self.spec.period_seconds)


@dataclass
class _Service:
    """What is kept of one service."""

    check_due: datetime
    figures_due: datetime
    rag_slots: asyncio.Semaphore
    """Those of its RAGDeployment."""
    evidence: Evidence = field(default_factory=Evidence)
    rounds: int = 0
    """Rounds of checks that nobody has answered."""
    asked: frozenset[str] = frozenset()
    """The pods of the last round, by uid."""
    under_way: set[str] = field(default_factory=set)
    """Pods that are being checked, by uid."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SERVICE_CHECKS_AT_ONCE))


class Prober:
    """Keeps the evidence of all services. Not thread-safe: for one event loop."""

    def __init__(
        self,
        way: Scraper,
        source: Source,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._way = way
        self._source = source
        self._wake = wake
        self._clock = clock
        self._services: dict[ServiceId, _Service] = {}
        self._silence = Silence()
        self._slots = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._rag_slots: WeakValueDictionary[Key, asyncio.Semaphore] = WeakValueDictionary()
        """For as long as one of its services is looked after."""

    def evidence(self, service: ServiceId) -> Evidence:
        """What has been measured of a service; nothing yet, or no more, where it is not looked after."""
        known = self._services.get(service)
        return known.evidence if known else Evidence()

    def reset(self) -> None:
        """Forgets everything: another replica has led, or will."""
        for service in list(self._services):
            self._drop(service)

    def start_due(self, targets: Iterable[Checked]) -> None:
        """Starts what is due, and forgets services that are no longer among the targets."""
        now = self._clock()
        wanted = {target.service: target for target in targets}
        for gone in self._services.keys() - wanted.keys():
            self._drop(gone)
        for target in wanted.values():
            known = self._services.get(target.service) or self._add(target.service, now)
            if not target.checked:
                self._silence.keep(target.service, ())
                known.evidence = replace(known.evidence, checks=Evidence().checks)
            elif _is_due(known.check_due, now):
                self._start_round(known, target, now)
            if target.figures is None:
                known.evidence = replace(known.evidence, requests=())
            elif _is_due(known.figures_due, now):
                known.figures_due = now + target.figures.every
                self._start(known, self._measure(known, target, target.figures))

    def _add(self, service: ServiceId, now: datetime) -> _Service:
        slots = self._rag_slots.setdefault(service.key, asyncio.Semaphore(RAG_CHECKS_AT_ONCE))
        return self._services.setdefault(service, _Service(now, now, slots))

    async def close(self) -> None:
        """Ends what is under way."""
        tasks = [task for known in self._services.values() for task in known.tasks]
        self.reset()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start_round(self, known: _Service, target: Checked, now: datetime) -> None:
        """One check of each pod, spread over the period."""
        pods = [pod for pod in target.pods() if pod.address is not None]
        uids = frozenset(pod.uid for pod in pods)
        known.evidence = replace(known.evidence, checks=known.evidence.checks.only(uids))
        self._silence.keep(target.service, uids)
        if known.evidence.checks.answered or not uids <= known.asked:
            known.rounds = 0
        known.asked = uids
        if known.rounds == PATIENT_ROUNDS:
            known.evidence = replace(known.evidence, checks=replace(known.evidence.checks, unheard=True))
            self._wake(target.service.key)
        known.check_due = now + _pause(target.period, known.rounds)
        known.rounds += bool(pods)
        for pod in pods:
            if pod.uid not in known.under_way:
                known.under_way.add(pod.uid)
                self._start(known, self._check(known, target, pod))

    async def _check(self, known: _Service, target: Checked, pod: Pod) -> None:
        try:
            await asyncio.sleep(_phase(pod.uid) * target.period.total_seconds())
            # What all share comes last: nobody holds a part of it who still waits for what is its own.
            async with known.slots, known.rag_slots, self._slots:
                result = await self._ask(target, pod)
        except NoWayError as error:
            _say_nothing(known, target.service, str(error))
        else:
            self._take_in(known, target, pod, result)
        finally:
            known.under_way.discard(pod.uid)

    def _take_in(self, known: _Service, target: Checked, pod: Pod, result: CheckResult) -> None:
        """What the check of a pod says. While the operator is cut off, only a pod's first unanswered check
        counts: two services that are down look like that too until a third one answers."""
        if result.answered:
            self._silence_ends()
        elif self._silence.cut_off and self._silence.has(target.service, pod.uid):
            _say_nothing(known, target.service, CUT_OFF)
            return
        CHECKS.labels(*target.service.labels, _result(result)).inc()
        before = known.evidence.checks
        checks = before.after(pod.uid, result, target.spec)
        known.evidence = replace(known.evidence, checks=checks)
        verdict, changed = checks.verdict(pod.uid), checks.verdict(pod.uid) is not before.verdict(pod.uid)
        if changed:
            logger.info(
                "%s: the checks of pod %s: %s, %s", target.service, pod.name, verdict, result.why or "ok"
            )
        if changed or checks.answered != before.answered:
            self._wake(target.service.key)
        if checks.answered and not result.answered:
            self._falls_silent(target.service, pod.uid, checks.pods[pod.uid])

    def _silence_ends(self) -> None:
        for name in self._silence.first:
            known = self._services[name]
            if known.evidence.checks.blocked == CUT_OFF:
                known.evidence = replace(known.evidence, checks=replace(known.evidence.checks, blocked=None))
        self._silence.ends()

    def _falls_silent(self, service: ServiceId, uid: str, checks: PodChecks) -> None:
        """Once that shows that the operator is cut off, all but the first lost check of each pod is void."""
        before = self._silence.cut_off
        self._silence.add(service, uid, checks)
        if before or not self._silence.cut_off:
            return
        for name, first in self._silence.first.items():
            known = self._services[name]
            found = known.evidence.checks
            found = replace(found, pods={**found.pods, **first}, blocked=CUT_OFF)
            known.evidence = replace(known.evidence, checks=found)
            self._wake(name.key)

    async def _ask(self, target: Checked, pod: Pod) -> CheckResult:
        """One check. Raises NoWayError where it says nothing about the pod."""
        loop, limit = asyncio.get_running_loop(), target.spec.timeout_seconds
        started = loop.time()

        def result(good: bool, answered: bool, why: str | None = None) -> CheckResult:
            return CheckResult(self._clock(), good, answered, loop.time() - started, why)

        try:
            async with asyncio.timeout(limit):
                status = await self._way.check(pod, target.port, target.path)
        except TimeoutError:
            return result(good=False, answered=False, why=f"no answer within {limit} s")
        except NoWayError:
            raise
        except SourceError as error:
            return result(good=False, answered=False, why=str(error))
        return result(200 <= status <= 299, answered=True, why=_why(status))

    async def _measure(self, known: _Service, target: Checked, figures: Target) -> None:
        """One sample of the requests to all pods that get some."""
        pods = sorted(figures.pods(), key=lambda pod: pod.name)
        sample = requests(await self._source.measure(figures, pods), self._clock())
        if sample is not None:
            known.evidence = replace(known.evidence, requests=with_sample(known.evidence.requests, sample))
            self._wake(target.service.key)

    def _start(self, known: _Service, job: Coroutine[None, None, None]) -> None:
        task: asyncio.Task[None] = asyncio.create_task(job)
        known.tasks.add(task)
        task.add_done_callback(partial(_ended, known))

    def _drop(self, service: ServiceId) -> None:
        self._silence.keep(service, ())
        for task in self._services.pop(service).tasks:
            task.cancel()
        for result in CHECK_RESULTS:
            CHECKS.remove(*service.labels, result)


def _is_due(due: datetime, now: datetime) -> bool:
    """A clock that went back must not stop the checks until it is where it was."""
    return due <= now or due - now > 2 * LONGEST_PAUSE


def _pause(period: timedelta, rounds: int) -> timedelta:
    doublings = min(max(rounds - PATIENT_ROUNDS, 0), 10)
    return max(min(period * float(1 << doublings), LONGEST_PAUSE), period)


def _phase(uid: str) -> float:
    """The moment of a pod in the period, from 0 to 1."""
    return zlib.crc32(uid.encode()) / 2**32


def _why(status: int) -> str | None:
    if 200 <= status <= 299:
        return None
    return f"redirect, status {status}" if 300 <= status <= 399 else f"status {status}"


def _result(result: CheckResult) -> str:
    return "good" if result.good else "failed" if result.answered else "unanswered"


def _say_nothing(known: _Service, service: ServiceId, why: str) -> None:
    """A check that says nothing about its pod."""
    CHECKS.labels(*service.labels, "none").inc()
    known.evidence = replace(known.evidence, checks=replace(known.evidence.checks, blocked=why))


def _ended(known: _Service, task: asyncio.Task[None]) -> None:
    known.tasks.discard(task)
    tell_failure(task, "check", "prober")
