"""The operator's own checks, against a real server that plays the pods, some of which misbehave."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import REGISTRY

from ragops.api.autoscaling import MetricSpec, MetricType
from ragops.api.health import HealthCheckSpec
from ragops.cluster.cache import Key
from ragops.health.assess import Evidence
from ragops.health.hysteresis import Verdict
from ragops.metrics import prober as prober_module
from ragops.metrics.endpoint import EndpointSource
from ragops.metrics.pod import Pod
from ragops.metrics.prober import (
    PATIENT_ROUNDS,
    RAG_CHECKS_AT_ONCE,
    SERVICE_CHECKS_AT_ONCE,
    Checked,
    Prober,
)
from ragops.metrics.scrape import DirectScraper, NoWayError
from ragops.metrics.source import MissingReason, ServiceId

from .pods import KEY, Handler, Pods, exposition, playing, target

START = datetime(2026, 1, 1, tzinfo=UTC)
SERVICE = ServiceId(KEY, "api")
SPEC = HealthCheckSpec(period_seconds=1, timeout_seconds=1, failure_threshold=2, success_threshold=2)


@dataclass
class Clock:
    """A clock that a test sets."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


class Way(DirectScraper):
    """The way to the pods, which can be blocked; it counts the checks that are under way."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked = False
        self.under_way = self.most = 0

    async def check(self, pod: Pod, port: int, path: str) -> int:
        """See Scraper."""
        if self.blocked:
            raise NoWayError(MissingReason.UNREACHABLE, "the API server: no connection")
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            return await super().check(pod, port, path)
        finally:
            self.under_way -= 1


@dataclass
class Stage:
    """The prober with the pods that it asks."""

    pods: Pods
    way: Way
    prober: Prober
    clock: Clock
    woken: list[Key] = field(default_factory=list)

    def checked(self, ready: Iterable[Pod], spec: HealthCheckSpec = SPEC, **changes: Any) -> Checked:
        """The service with these ready pods."""
        found = list(ready)
        settings: dict[str, Any] = {
            "service": SERVICE,
            "pods": lambda: found,
            "spec": spec,
            "path": "/metrics",  # what the played pods answer
            "port": self.pods.port,
            "checked": True,
            "figures": None,
        }
        return Checked(**{**settings, **changes})

    async def rounds(self, count: int, *checked: Checked) -> None:
        """Each pod is checked so many times."""
        for _ in range(count):
            self.prober.start_due(checked)
            self.clock.now += timedelta(minutes=5)
            await self.settled()

    async def settled(self) -> None:
        """All that was started has ended."""
        async with asyncio.timeout(20):
            while tasks := [t for s in self.prober._services.values() for t in s.tasks]:
                await asyncio.wait(tasks)
                await asyncio.sleep(0)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for this, while checks are under way."""
        async with asyncio.timeout(5):
            while not condition():
                tasks = [t for s in self.prober._services.values() for t in s.tasks]
                await asyncio.wait(tasks, timeout=0.01)

    def evidence(self, service: ServiceId = SERVICE) -> Evidence:
        return self.prober.evidence(service)

    def verdicts(self) -> dict[str, Verdict]:
        return {uid: pod.streak.verdict for uid, pod in self.evidence().checks.pods.items()}

    def why(self, number: int) -> str | None:
        last = self.evidence().checks.pods[f"uid-{number}"].last
        assert last is not None
        return last.why


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """The prober under test."""
    clock, way, woken = Clock(), Way(), []
    async with playing() as pods:
        prober = Prober(way, EndpointSource(way), woken.append, clock)
        yield Stage(pods, way, prober, clock, woken)
        await prober.close()
    await way.close()


def counted(result: str) -> float:
    labels = {"namespace": KEY.namespace, "rag": KEY.name, "service": "api", "result": result}
    return REGISTRY.get_sample_value("ragops_health_checks_total", labels) or 0.0


def status(code: int, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text="x", headers=headers)

    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    """A body that never ends, as fast as it can."""
    response = web.StreamResponse()
    await response.prepare(request)
    while request.transport is not None and not request.transport.is_closing():
        await response.write(b"x" * 65536)
    return response


async def trickle(request: web.Request) -> web.StreamResponse:
    """A body that never ends, byte by byte."""
    response = web.StreamResponse()
    await response.prepare(request)
    while request.transport is not None and not request.transport.is_closing():
        await response.write(b"x")
        await asyncio.sleep(0.05)
    return response


async def broken(request: web.Request) -> web.StreamResponse:
    """Ends the connection."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


CASES: dict[str, tuple[Callable[[Pods], Handler], Verdict, str | None]] = {
    "200": (lambda _: status(200), Verdict.GOOD, None),
    "204": (lambda _: status(204), Verdict.GOOD, None),
    "500": (lambda _: status(500), Verdict.FAILING, "status 500"),
    "404": (lambda _: status(404), Verdict.FAILING, "status 404"),
    "redirect to a good one": (
        lambda pods: status(302, Location=f"http://127.0.1.9:{pods.port}/metrics"),
        Verdict.FAILING,
        "redirect, status 302",
    ),
    "hang": (lambda pods: pods.hang, Verdict.FAILING, "no answer within 1 s"),
    "endless body": (lambda _: endless, Verdict.GOOD, None),
    "trickling body": (lambda _: trickle, Verdict.FAILING, "no answer within 1 s"),
    "broken connection": (
        lambda _: broken,
        Verdict.FAILING,
        "no connection (ServerDisconnectedError)",
    ),
}


@pytest.mark.parametrize("case", CASES)
async def test_what_a_pod_answers(case: str, stage: Stage) -> None:
    make, verdict, why = CASES[case]
    stage.pods.answers = {1: make(stage.pods), 2: "good", 9: "must not be asked"}
    stage.pods.answers[9] = forbidden = status(200)
    pods = [stage.pods.pod(1), stage.pods.pod(2)]
    await stage.rounds(2, stage.checked(pods))
    assert stage.verdicts() == {"uid-1": verdict, "uid-2": Verdict.GOOD}
    assert stage.why(1) == why
    assert stage.pods.answers[9] is forbidden


async def test_a_redirect_is_not_followed(stage: Stage) -> None:
    followed = asyncio.Event()

    async def trap(_: web.Request) -> web.StreamResponse:
        followed.set()
        return web.Response()

    place = f"http://127.0.1.9:{stage.pods.port}/metrics"
    stage.pods.answers = {1: status(307, Location=place), 9: trap}
    await stage.rounds(2, stage.checked([stage.pods.pod(1)]))
    assert stage.verdicts() == {"uid-1": Verdict.FAILING}
    assert not followed.is_set()


async def test_one_lost_check_changes_nothing_and_wakes_nobody(stage: Stage) -> None:
    stage.pods.answers = {1: "good"}
    checked = stage.checked([stage.pods.pod(1)])
    await stage.rounds(2, checked)
    assert stage.woken == [KEY, KEY], "the first answer, and the verdict"
    stage.pods.answers = {1: status(500)}
    await stage.rounds(1, checked)
    stage.pods.answers = {1: "good"}
    await stage.rounds(5, checked)
    assert stage.verdicts() == {"uid-1": Verdict.GOOD}
    assert len(stage.woken) == 2
    stage.pods.answers = {1: status(500)}
    await stage.rounds(2, checked)
    assert stage.verdicts() == {"uid-1": Verdict.FAILING}
    assert len(stage.woken) == 3


async def test_pods_without_an_address_are_not_asked(stage: Stage) -> None:
    pod = Pod("fake", "default", "uid-fake", address=None)
    await stage.rounds(5, stage.checked([pod]))
    assert stage.evidence() == Evidence()
    assert stage.woken == []


async def test_pods_that_nobody_can_reach_say_nothing_and_are_asked_less_and_less(stage: Stage) -> None:
    gone = Pod("gone", "default", "uid-gone", address="127.0.1.1")
    checked = stage.checked([gone], port=1)  # nothing listens there
    unanswered = counted("unanswered")
    for _ in range(1200):
        stage.prober.start_due([checked])
        await asyncio.wait([t for s in stage.prober._services.values() for t in s.tasks] or [_noop()])
        stage.clock.now += timedelta(seconds=1)
    assert not stage.evidence().checks.answered
    assert stage.evidence().checks.unheard
    assert 10 <= counted("unanswered") - unanswered <= 20


@pytest.mark.parametrize("blocked", [False, True])
async def test_after_six_rounds_without_an_answer_what_was_found_before_is_to_be_forgotten(
    stage: Stage, blocked: bool
) -> None:
    stage.way.blocked = blocked
    checked = stage.checked([stage.pods.pod(1)])
    stage.pods.answers = {1: broken}
    await stage.rounds(PATIENT_ROUNDS, checked)
    assert not stage.evidence().checks.unheard
    stage.woken.clear()
    await stage.rounds(1, checked)
    assert stage.evidence().checks.unheard
    assert stage.woken == [KEY]
    stage.way.blocked = False
    stage.pods.answers = {1: "good"}
    await stage.rounds(1, checked)
    assert not stage.evidence().checks.unheard


@dataclass
class Several:
    """Services A, B, ... with one pod each, by periods in seconds, over time."""

    stage: Stage
    periods: dict[str, int]

    def __post_init__(self) -> None:
        self.numbers = {name: number for number, name in enumerate(self.periods, 1)}
        self.stage.pods.answers = dict.fromkeys(self.numbers.values(), "good")
        self.looked_after = [self.target(name) for name in self.periods]

    def target(self, name: str) -> Checked:
        spec = SPEC.model_copy(update={"period_seconds": self.periods[name], "failure_threshold": 3})
        return self.stage.checked([self.stage.pods.pod(self.numbers[name])], spec, service=self.id(name))

    def id(self, name: str) -> ServiceId:
        return ServiceId(KEY, name)

    def breaks(self, *names: str) -> None:
        self.stage.pods.answers |= {self.numbers[name]: broken for name in names}

    async def seconds(self, count: int) -> None:
        for _ in range(count):
            self.stage.prober.start_due(self.looked_after)
            await self.stage.settled()
            self.stage.clock.now += timedelta(seconds=1)

    def failing(self) -> set[str]:
        """Services whose pod is judged to be failing."""
        return {
            name
            for name, number in self.numbers.items()
            if self.stage.evidence(self.id(name)).checks.verdict(f"uid-{number}") is Verdict.FAILING
        }

    def blocked(self) -> set[str]:
        """Services whose pod is told not to be reached."""
        return {name for name in self.periods if self.stage.evidence(self.id(name)).checks.blocked}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks of a round begin in the order of the services and not spread over the period."""
    monkeypatch.setattr(prober_module, "_phase", lambda _: 0.0)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("broken_ones", "failing"),
    [("A", {"A"}), ("AB", {"A", "B"}), ("ABC", set())],
    ids=["one", "two of three", "all"],
)
async def test_when_no_pod_of_any_service_answers_it_is_the_operator_that_is_cut_off(
    stage: Stage, broken_ones: str, failing: set[str]
) -> None:
    several = Several(stage, {"A": 1, "B": 1, "C": 1})
    await several.seconds(3)
    several.breaks(*broken_ones)
    await several.seconds(9)
    assert several.failing() == failing
    if not failing:
        assert several.blocked() == {"A", "B", "C"}


@pytest.mark.usefixtures("at_once")
async def test_a_service_that_is_seldom_asked_does_not_delay_that_the_operator_is_cut_off(
    stage: Stage,
) -> None:
    several = Several(stage, {"A": 1, "B": 1, "C": 300})
    await several.seconds(3)
    several.breaks("A", "B", "C")
    await several.seconds(10)
    assert several.failing() == set()
    assert several.blocked() == {"A", "B"}
    stage.pods.answers |= {1: stage.pods.hang, 2: stage.pods.hang, 3: "good"}
    stage.clock.now = START + timedelta(seconds=300)
    stage.prober.start_due(several.looked_after)
    await stage.until(lambda: stage.evidence(several.id("C")).checks.verdict("uid-3") is Verdict.GOOD)
    assert several.blocked() == set(), "somebody has answered"


@pytest.mark.usefixtures("at_once")
async def test_what_was_counted_is_void_once_the_seldom_asked_service_does_not_answer_either(
    stage: Stage,
) -> None:
    several = Several(stage, {"A": 1, "C": 300})
    await several.seconds(3)
    several.breaks("A", "C")
    await several.seconds(10)
    assert several.failing() == {"A"}, "it may well be down: nobody else has been asked"
    stage.woken.clear()
    stage.clock.now = START + timedelta(seconds=300)
    await several.seconds(1)
    assert several.failing() == set()
    assert several.blocked() == {"A", "C"}
    assert stage.woken
    await several.seconds(10)
    assert several.failing() == set()


@pytest.mark.usefixtures("at_once")
async def test_one_service_alone_stays_judged(stage: Stage) -> None:
    """Also with several pods, and beside one that has never answered or is not asked any more."""
    several = Several(stage, {"A": 1, "never": 1, "gone": 1})
    several.breaks("never")
    await several.seconds(3)
    several.breaks("A", "gone")
    await several.seconds(1)
    pods = [stage.pods.pod(several.numbers["A"]), stage.pods.pod(9)]
    stage.pods.answers[9] = broken
    one = replace(several.target("A"), pods=lambda: pods)
    several.looked_after = [one, several.target("never"), replace(several.target("gone"), pods=lambda: [])]
    await several.seconds(4)
    checks = stage.evidence(several.id("A")).checks
    assert {checks.verdict(pod.uid) for pod in pods} == {Verdict.FAILING}
    assert not stage.evidence(several.id("never")).checks.answered


def _noop() -> asyncio.Task[None]:
    return asyncio.create_task(asyncio.sleep(0))


async def test_pods_that_hang_take_no_other_services_slots(stage: Stage) -> None:
    """Nor more than some of the operator's."""
    numbers = range(1, 3 * SERVICE_CHECKS_AT_ONCE)
    stage.pods.answers = dict.fromkeys(numbers, stage.pods.hang) | {100: "good"}
    other = ServiceId(KEY, "other")
    good = stage.checked([stage.pods.pod(100)], service=other)
    stage.prober.start_due([stage.checked([stage.pods.pod(n) for n in numbers]), good])
    await stage.settled()
    assert stage.way.most == SERVICE_CHECKS_AT_ONCE + 1
    assert len(stage.evidence().checks.pods) == len(numbers)
    (last,) = [pod.last for pod in stage.evidence(other).checks.pods.values()]
    assert last is not None
    assert last.good
    assert last.seconds < 0.5


async def test_the_hanging_pods_of_one_rag_deployment_leave_room_for_the_others(stage: Stage) -> None:
    """However many services it has; nor does waiting for a slot count as waiting for the pod."""
    services = -(-RAG_CHECKS_AT_ONCE // SERVICE_CHECKS_AT_ONCE) + 1
    numbers = range(1, SERVICE_CHECKS_AT_ONCE + 1)
    meanwhile: list[int] = []

    async def answer(_: web.Request) -> web.StreamResponse:
        meanwhile.append(stage.way.under_way)
        return web.Response()

    stage.pods.answers = dict.fromkeys(numbers, stage.pods.hang) | {100: answer}
    stage.prober._slots = asyncio.Semaphore(RAG_CHECKS_AT_ONCE + 1)
    spec = SPEC.model_copy(update={"timeout_seconds": 3})
    hanging = [
        stage.checked([stage.pods.pod(n) for n in numbers], spec, service=ServiceId(KEY, f"s{n}"))
        for n in range(services)
    ]
    stage.prober.start_due(hanging)
    await stage.until(lambda: stage.way.under_way == RAG_CHECKS_AT_ONCE)
    other = ServiceId(Key("other", "demo"), "api")
    stage.prober.start_due([*hanging, stage.checked([stage.pods.pod(100)], service=other)])
    await stage.settled()
    assert stage.way.most == RAG_CHECKS_AT_ONCE + 1
    assert meanwhile == [RAG_CHECKS_AT_ONCE + 1], "it was asked while all these hung"
    assert stage.evidence(other).checks.answered


async def test_a_pod_is_never_asked_twice_at_a_time(stage: Stage) -> None:
    stage.pods.answers = {1: stage.pods.hang}
    checked = stage.checked([stage.pods.pod(1)])
    unanswered = counted("unanswered")
    for _ in range(20):
        stage.prober.start_due([checked])
        stage.clock.now += timedelta(minutes=5)
    await stage.settled()
    assert counted("unanswered") - unanswered == 1


async def test_checks_are_spread_over_the_period(stage: Stage) -> None:
    moments: list[float] = []

    async def answer(_: web.Request) -> web.StreamResponse:
        moments.append(asyncio.get_running_loop().time())
        return web.Response()

    stage.pods.answers = dict.fromkeys(range(1, 41), answer)
    await stage.rounds(1, stage.checked([stage.pods.pod(n) for n in range(1, 41)]))
    assert len(moments) == 40
    assert max(moments) - min(moments) > 0.7
    thirds = Counter(int(3 * (moment - min(moments)) / 1.01) for moment in moments)
    assert all(thirds[n] >= 5 for n in range(3))


async def test_gone_pods_and_services_are_forgotten(stage: Stage) -> None:
    stage.pods.answers = {1: "good", 2: "good"}
    await stage.rounds(2, stage.checked([stage.pods.pod(1), stage.pods.pod(2)]))
    await stage.rounds(1, stage.checked([stage.pods.pod(2)]))
    assert stage.verdicts() == {"uid-2": Verdict.GOOD}
    assert counted("good") > 0
    stage.prober.start_due([])
    assert stage.evidence() == Evidence()
    assert counted("good") == 0


async def test_checks_that_are_turned_off_say_nothing(stage: Stage) -> None:
    stage.pods.answers = {1: status(500)}
    await stage.rounds(2, stage.checked([stage.pods.pod(1)]))
    assert stage.evidence().checks.answered
    await stage.rounds(1, stage.checked([stage.pods.pod(1)], checked=False))
    assert stage.evidence() == Evidence()


async def test_requests_are_measured_where_wanted(stage: Stage) -> None:
    metrics = (MetricSpec(type=MetricType.ERROR_RATE), MetricSpec(type=MetricType.RESPONSE_TIME))
    pods = [stage.pods.pod(1), stage.pods.pod(2)]
    wanted = target(pods, *metrics, port=stage.pods.port, every=5)
    checked = stage.checked(pods, checked=False, figures=wanted)
    stage.pods.answers = {1: exposition(100, 10, 0), 2: exposition(100, 10, 0)}
    await stage.rounds(1, checked)
    assert stage.evidence().figures is None, "there is nothing to compare with"
    stage.clock.now = START + timedelta(seconds=301)
    stage.pods.answers = {1: exposition(150, 20, 5), 2: exposition(150, 30, 10)}
    await stage.rounds(1, checked)
    found = stage.evidence().figures
    assert found is not None
    assert (found.requests, round(found.errors), found.error_percent) == (100, 15, pytest.approx(15))
    assert found.response_time_ms == pytest.approx(300)
    assert stage.woken == [KEY]


async def test_without_a_way_to_the_pods_nothing_is_said(stage: Stage) -> None:
    stage.pods.answers = {1: "good"}
    checked = stage.checked([stage.pods.pod(1)])
    await stage.rounds(2, checked)
    stage.way.blocked = True
    await stage.rounds(4, checked)
    assert stage.verdicts() == {"uid-1": Verdict.GOOD}
    assert stage.evidence().checks.blocked == "the API server: no connection"
    assert len(stage.woken) == 2
    stage.way.blocked = False
    await stage.rounds(1, checked)
    assert stage.evidence().checks.blocked is None
