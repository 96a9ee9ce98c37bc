"""Figures of gateways, played by a real server, as a source for scaling and health."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import web

from ragops.api.autoscaling import MetricType
from ragops.cluster.cache import Key
from ragops.metrics.endpoint import EndpointSource
from ragops.metrics.gateway import EVERY_SECONDS, FRESH_SECONDS, Gateways
from ragops.metrics.requests_source import RequestsSource
from ragops.metrics.scrape import DirectScraper
from ragops.metrics.source import Measured, MissingReason
from ragops.orchestration.observation import GatewayReport

from .pods import KEY, Handler, Pods, exposition, metric, playing, target

BOUNDS = [0.1, 1.0]
ALL = [metric(kind) for kind in (MetricType.RESPONSE_TIME, MetricType.ERROR_RATE, MetricType.QUEUE_DEPTH)]


def of_pod(number: int, requests: int, errors: int = 0, seconds: float = 0.0) -> dict[str, Any]:
    """What a gateway has counted of one pod: answers within 100 ms."""
    times = {"sum": seconds, "count": requests, "buckets": [requests, 0, 0]}
    return {
        "address": f"127.0.1.{number}",
        "up": True,
        "requests": requests,
        "errors": errors,
        "responseSeconds": times,
    }


def figures(
    *pods: dict[str, Any],
    queue: int = 0,
    started: float = 1.0,
    revision: str = "r1",
    lost: int = 0,
    waiting: int = 0,
) -> Handler:
    """The answer of a gateway's agent. Of the requests `lost` have failed without a pod, `waiting` wait."""
    pods = (*pods, *(of_pod(n, 0) for n in (1, 2) if f"127.0.1.{n}" not in {p["address"] for p in pods}))
    requests, errors = (sum(pod[what] for pod in pods) for what in ("requests", "errors"))
    variant = {
        "name": "stable",
        "queue": queue,
        "panic": False,
        "requests": requests + lost,
        "errors": errors + lost,
        "pods": list(pods),
    }
    told = {
        "startedAt": started,
        "revision": revision,
        "split": "s1",
        "bucketBounds": BOUNDS,
        "services": [{"name": "api", "arrivals": requests + lost + waiting, "variants": [variant]}],
    }

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(told)

    return answer


@dataclass
class Clock:
    """Seconds."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Played:
    """Gateway pods 8 and 9 before service pods 1 and 2."""

    pods: Pods
    clock: Clock
    gateways: Gateways
    source: RequestsSource
    woken: list[Key]

    def know(self, *numbers: int) -> None:
        """These gateway pods are ready."""
        self.gateways.start_due([(KEY, [self.pods.pod(n) for n in numbers])], self.woken.append)

    async def sample(self, *first: Handler | str, seconds: float = 10, **options: Any) -> Measured:
        """The next sample, with what the gateways answer in it."""
        self.clock.now += seconds
        for number, answer in zip((8, 9), first, strict=False):
            self.pods.answers[number] = answer
        service = options.pop("service_pods", [self.pods.pod(1), self.pods.pod(2)])
        wanted = target(service, *ALL, port=self.pods.port, every=10, arrivals=True)
        fields = {"through_gateway": lambda: True, **options}
        return await self.source.measure(replace(wanted, **fields), service)


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    scraper = DirectScraper()
    async with playing() as pods:
        clock = Clock()
        pods.answers.update(dict.fromkeys((1, 2), "other 1\n"))
        gateways = Gateways(scraper, clock, pods.port)
        endpoint = EndpointSource(scraper, clock)
        made = Played(pods, clock, gateways, RequestsSource(endpoint, gateways, clock), [])
        pods.answers.update({8: figures(), 9: figures()})
        made.know(8, 9)
        yield made
        await gateways.close()
        await scraper.close()


async def test_both_gateways_are_summed(played: Played) -> None:
    await played.sample(figures(of_pod(1, 100), of_pod(2, 7)), figures(of_pod(1, 50)))
    found = await played.sample(
        figures(of_pod(1, 130, errors=2, seconds=3.0), of_pod(2, 7), queue=3),
        figures(of_pod(1, 60, errors=1, seconds=1.0), queue=5),
    )
    errors = found.readings[MetricType.ERROR_RATE]
    assert (errors.weight, errors.measured, errors.ready) == (40, 2, 2)
    assert errors.average == pytest.approx(100 * 3 / 40)
    assert found.readings[MetricType.RESPONSE_TIME].average == pytest.approx(1000 * 4 / 40)
    assert found.readings[MetricType.QUEUE_DEPTH].total == 8
    assert found.arrivals is not None
    assert found.arrivals.total == pytest.approx(4.0)
    assert found.missing == {}


async def test_a_gateway_that_tells_nothing_is_missing_data_and_not_zero(played: Played) -> None:
    await played.sample(figures(of_pod(1, 100)), figures(of_pod(1, 50)))
    found = await played.sample(figures(of_pod(1, 110)), "not JSON")
    assert {reading.measured for reading in found.readings.values()} == {0}
    assert {why.reason for why in found.missing.values()} == {MissingReason.WRONG_TYPE}
    assert "pod-9" in found.missing[MetricType.ERROR_RATE].text
    # What went through both in the meantime is there with the next answer.
    found = await played.sample(figures(of_pod(1, 120)), figures(of_pod(1, 70)))
    assert found.readings[MetricType.ERROR_RATE].weight == 40


async def test_a_service_that_a_gateway_does_not_know_yet_is_missing(played: Played) -> None:
    await played.sample(figures(of_pod(1, 1)), figures(of_pod(1, 1)))
    unknown = replace(target([], *ALL), service=target([], service="new").service)
    found = await played.sample(figures(of_pod(1, 2)), figures(of_pod(1, 2)), service=unknown.service)
    assert {why.reason for why in found.missing.values()} == {MissingReason.NOT_EXPOSED}


async def test_an_agent_that_began_anew_counts_from_zero(played: Played) -> None:
    await played.sample(figures(of_pod(1, 100)), figures())
    found = await played.sample(figures(of_pod(1, 30), started=time.time()), figures())
    assert found.readings[MetricType.ERROR_RATE].weight == 30


async def test_a_gateway_that_was_not_ready_for_a_while_brings_no_history(played: Played) -> None:
    await played.sample(figures(of_pod(1, 100)), figures(of_pod(1, 5000)))
    played.know(8)
    await played.sample(figures(of_pod(1, 110)))
    played.know(8, 9)
    found = await played.sample(figures(of_pod(1, 120)), figures(of_pod(1, 5010)))
    assert found.readings[MetricType.ERROR_RATE].weight == 20
    # Nor does one that was there before, and is seen for the first time.
    played.know(8, 7)
    played.pods.answers[7] = figures(of_pod(1, 9000))
    found = await played.sample(figures(of_pod(1, 130)))
    assert found.readings[MetricType.ERROR_RATE].weight == 10


async def test_requests_that_no_pod_got_are_errors_and_arrivals(played: Played) -> None:
    await played.sample(figures(of_pod(1, 100)), figures())
    found = await played.sample(figures(of_pod(1, 110), lost=30, waiting=10), figures())
    errors = found.readings[MetricType.ERROR_RATE]
    assert (errors.weight, errors.average) == (40, 75)
    assert found.readings[MetricType.RESPONSE_TIME].weight == 10
    assert found.arrivals is not None
    assert found.arrivals.total == pytest.approx(5)


async def test_a_pod_that_no_gateway_has_found_is_missing_and_not_idle(played: Played) -> None:
    def without(answer: dict[str, Any]) -> Handler:
        async def told(_: web.Request) -> web.StreamResponse:
            return web.json_response(answer)

        return told

    alone = {"name": "stable", "queue": 0, "panic": False, "requests": 5, "errors": 0, "pods": [of_pod(1, 5)]}
    answer = {
        "startedAt": 1.0,
        "revision": "r1",
        "bucketBounds": BOUNDS,
        "services": [{"name": "api", "arrivals": 5, "variants": [alone]}],
    }
    await played.sample(without(answer), without(answer))
    found = await played.sample(without(answer), without(answer))
    errors = found.readings[MetricType.ERROR_RATE]
    assert (errors.measured, errors.ready) == (1, 2)
    assert found.missing[MetricType.ERROR_RATE].reason is MissingReason.STALE


async def test_each_variant_can_be_measured_by_itself(played: Played) -> None:
    def both(stable: int, candidate: int, failed: int) -> Handler:
        variants = [
            {
                "name": "stable",
                "queue": 0,
                "panic": False,
                "requests": stable,
                "errors": 0,
                "pods": [of_pod(1, stable)],
            },
            {
                "name": "candidate",
                "queue": 0,
                "panic": False,
                "requests": candidate,
                "errors": failed,
                "pods": [of_pod(2, candidate, failed)],
            },
        ]
        answer = {
            "startedAt": 1.0,
            "revision": "r1",
            "bucketBounds": BOUNDS,
            "services": [{"name": "api", "arrivals": stable + candidate, "variants": variants}],
        }

        async def told(_: web.Request) -> web.StreamResponse:
            return web.json_response(answer)

        return told

    played.know(8)
    for answer in (both(100, 10, 1), both(160, 30, 5)):
        found = {}
        for number in (1, 2):
            pods = [played.pods.pod(number)]
            found[number] = await played.sample(
                answer, seconds=0 if number == 2 else 10, pods=list, variant_alone=True, service_pods=pods
            )
    assert found[1].readings[MetricType.ERROR_RATE].weight == 60
    assert found[2].readings[MetricType.ERROR_RATE].weight == 20
    assert found[2].readings[MetricType.ERROR_RATE].average == 20


async def test_the_first_look_is_to_compare_with(played: Played) -> None:
    found = await played.sample(figures(of_pod(1, 100)), figures())
    assert found.readings[MetricType.ERROR_RATE].measured == 0
    assert found.missing[MetricType.ERROR_RATE].reason is MissingReason.FIRST_SCRAPE


async def test_a_queue_of_the_pods_own_comes_first(played: Played) -> None:
    played.pods.answers.update(dict.fromkeys((1, 2), exposition(queue=4)))
    await played.sample(figures(queue=9), figures())
    found = await played.sample(figures(queue=9), figures())
    assert found.readings[MetricType.QUEUE_DEPTH].total == 8


async def test_without_the_gateway_the_pods_are_asked(played: Played) -> None:
    for count in (10, 30):
        played.pods.answers.update(dict.fromkeys((1, 2), exposition(count=count)))
        found = await played.sample(through_gateway=lambda: False)
    assert found.readings[MetricType.ERROR_RATE].weight == 40


async def test_services_that_are_sampled_together_share_a_look(played: Played) -> None:
    asked: list[int] = []

    async def counted(request: web.Request) -> web.StreamResponse:
        asked.append(1)
        return await figures(of_pod(1, len(asked)))(request)

    await played.sample(counted, figures())
    await played.sample(seconds=FRESH_SECONDS / 2)
    assert len(asked) == 1
    await played.sample(seconds=FRESH_SECONDS + 0.1)
    assert len(asked) == 2


async def test_a_configuration_that_comes_into_force_wakes(played: Played) -> None:
    look = await played.gateways.look(KEY)
    assert look is not None
    report = GatewayReport("r1", "s1", frozenset({"api"}))
    assert played.gateways.reports(KEY) == {"uid-8": report, "uid-9": report}
    played.woken.clear()
    played.pods.answers[9] = figures(revision="r2")
    played.clock.now += EVERY_SECONDS
    played.know(8, 9)
    task = played.gateways._known[KEY].task
    assert task is not None
    await task
    assert played.gateways.reports(KEY) == {"uid-8": report, "uid-9": replace(report, revision="r2")}
    assert played.woken == [KEY]
    played.gateways.start_due([], played.woken.append)
    assert played.gateways.reports(KEY) == {}
    assert await played.gateways.look(KEY) is None
