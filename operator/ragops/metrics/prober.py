"""The operator's own checks of the pods of each service, and their figures: what health is judged by.

Checks of a service are spread over its period, each pod always at its own moment of it. One that hangs costs
its own slot and no other service's. Services whose pods have never answered are asked less and less often:
most likely the operator cannot reach them, which says nothing about them. Nor does it when the pods of all
services stop answering at once.
"""

import asyncio
import logging
import zlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from ragops.api.autoscaling import MetricType
from ragops.api.service import HealthCheckSpec
from ragops.cluster.cache import Key
from ragops.health.assess import Evidence
from ragops.health.checks import CheckResult
from ragops.health.figures import Requests, with_sample
from ragops.metrics.pod import Pod
from ragops.metrics.scrape import NoWayError, Scraper
from ragops.metrics.source import Measured, MissingReason, ServiceId, Source, SourceError, Target
from ragops.telemetry.health import CHECK_RESULTS, CHECKS
from ragops.telemetry.metrics import UNEXPECTED

logger = logging.getLogger(__name__)

TICK_SECONDS: Final = 0.5
CHECKS_AT_ONCE: Final = 256
"""Of all services."""
SERVICE_CHECKS_AT_ONCE: Final = 16
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""Between two rounds of a service whose pods have never answered."""
PATIENT_ROUNDS: Final = 6
"""Rounds without any answer until the pauses grow."""


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
    evidence: Evidence = field(default_factory=Evidence)
    rounds: int = 0
    """Rounds of checks that nobody has answered."""
    period: timedelta = timedelta()
    """Between two checks of a pod."""
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
        self._answered_at = clock()
        """When any pod of any service last answered."""
        self._slots = asyncio.Semaphore(CHECKS_AT_ONCE)

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
            known = self._services.setdefault(target.service, _Service(now, now))
            if not target.checked:
                known.evidence = replace(known.evidence, checks=Evidence().checks)
            elif _is_due(known.check_due, now):
                self._start_round(known, target, now)
            if target.figures is None:
                known.evidence = replace(known.evidence, requests=())
            elif _is_due(known.figures_due, now):
                known.figures_due = now + target.figures.every
                self._start(known, self._measure(known, target, target.figures))

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
        if known.evidence.checks.answered or not uids <= known.asked:
            known.rounds = 0
        known.asked, known.period = uids, target.period
        known.check_due = now + _pause(target.period, known.rounds)
        known.rounds += bool(pods)
        for pod in pods:
            if pod.uid not in known.under_way:
                known.under_way.add(pod.uid)
                self._start(known, self._check(known, target, pod))

    async def _check(self, known: _Service, target: Checked, pod: Pod) -> None:
        try:
            await asyncio.sleep(_phase(pod.uid) * target.period.total_seconds())
            async with known.slots, self._slots:
                result = await self._ask(target, pod)
            if result.answered:
                self._answered_at = result.at
            elif self._is_cut_off(result.at):
                raise NoWayError(MissingReason.UNREACHABLE, "no pod of any service answers the operator")
        except NoWayError as error:
            CHECKS.labels(*target.service.labels, "none").inc()
            known.evidence = replace(
                known.evidence, checks=replace(known.evidence.checks, blocked=str(error))
            )
            return
        finally:
            known.under_way.discard(pod.uid)
        CHECKS.labels(*target.service.labels, _result(result)).inc()
        before = known.evidence.checks
        checks = before.after(pod.uid, result, target.spec)
        known.evidence = replace(known.evidence, checks=checks)
        if (verdict := checks.verdict(pod.uid)) is not before.verdict(pod.uid):
            logger.info(
                "%s: the checks of pod %s: %s, %s", target.service, pod.name, verdict, result.why or "ok"
            )
        elif checks.answered == before.answered:
            return
        self._wake(target.service.key)

    def _is_cut_off(self, now: datetime) -> bool:
        """The pods of several services have answered, and for two periods none of them has."""
        periods = [known.period for known in self._services.values() if known.evidence.checks.answered]
        return len(periods) > 1 and now - self._answered_at > 2 * max(periods)

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
        for task in self._services.pop(service).tasks:
            task.cancel()
        for result in CHECK_RESULTS:
            CHECKS.remove(*service.labels, result)


def requests(measured: Measured, at: datetime) -> Requests | None:
    """The requests that a source has measured; None where it knows none of the pods."""
    errors = measured.readings.get(MetricType.ERROR_RATE)
    times = measured.readings.get(MetricType.RESPONSE_TIME)
    if not (errors and errors.measured) and not (times and times.measured):
        return None
    return Requests(
        at=at,
        counted=(errors.weight or 0.0) if errors else 0.0,
        failed=errors.total / 100 if errors else 0.0,
        timed=(times.weight or 0.0) if times else 0.0,
        milliseconds=times.total if times else 0.0,
    )


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


def _ended(known: _Service, task: asyncio.Task[None]) -> None:
    known.tasks.discard(task)
    if not task.cancelled() and (error := task.exception()):
        logger.error("unexpected error in a check", exc_info=error)
        UNEXPECTED.labels("prober").inc()
