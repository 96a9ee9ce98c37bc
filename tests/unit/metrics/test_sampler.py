"""Samples at each service's pace, of several sources, none of which waits for another service's."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from ragops.api.autoscaling import MetricType
from ragops.cluster.cache import Key
from ragops.cluster.errors import NotServedError
from ragops.cluster.protocol import Object
from ragops.metrics.endpoint import EndpointSource
from ragops.metrics.pod import Pod
from ragops.metrics.resource import ResourceSource
from ragops.metrics.sampler import TICK_SECONDS, Sampler, next_due
from ragops.metrics.scrape import DirectScraper
from ragops.metrics.source import Target
from ragops.scaling.learning import MAX_STARTS
from ragops.scaling.window import Window

from .pods import KEY, Pods, exposition, metric, playing, target

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CPU = metric(MetricType.CPU)
QUEUE = metric(MetricType.QUEUE_DEPTH)


class Metrics:
    """The one request of the resource metrics API; the answer comes when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self.error: NotServedError | None = None

    async def pod_metrics(self, namespace: str, _: str) -> Sequence[Object]:
        """PodMetrics of pods 1 to 3."""
        self.asked.append(namespace)
        await self.answering.wait()
        if self.error:
            raise self.error
        usage = [{"usage": {"cpu": "500m", "memory": "1Gi"}}]
        stamp = datetime.now(UTC).isoformat()
        return [
            {"metadata": {"name": f"pod-{i}"}, "timestamp": stamp, "containers": usage} for i in (1, 2, 3)
        ]


class Sampled:
    """The sampler with its sources; the test tells which services there are, and what time it is."""

    def __init__(self, pods: Pods, scraper: DirectScraper) -> None:
        self.metrics = Metrics()
        self.pods = pods
        self.woken: list[Key] = []
        cluster: object = self.metrics
        sources = [ResourceSource(cluster), EndpointSource(scraper)]  # type: ignore[arg-type]
        self.sampler = Sampler(sources, self.woken.append)

    def window(self, service: str = "api", key: Key = KEY) -> Window:
        """What is known of a service."""
        return self.sampler.windows(key).get(service, Window())

    async def take(self, *targets: Target, at: float = 0) -> None:
        """Starts what is due, and waits for the samples of all."""
        self.sampler.start_due(targets, NOW + timedelta(seconds=at))
        before = len(self.woken)
        await eventually(lambda: len(self.woken) >= before + len(targets))


async def eventually(condition: Callable[[], bool]) -> None:
    """Waits until it is so."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is under test knows nothing of events
            await asyncio.sleep(0.005)


@pytest.fixture
async def sampled() -> AsyncIterator[Sampled]:
    """A sampler with real sources."""
    scraper = DirectScraper()
    async with playing() as pods:
        found = Sampled(pods, scraper)
        try:
            yield found
        finally:
            await found.sampler.close()
            await scraper.close()


def age(service: str = "api", key: Key = KEY) -> float | None:
    labels = {"namespace": key.namespace, "rag": key.name, "service": service}
    return REGISTRY.get_sample_value("ragops_sample_age_seconds", labels)


async def test_one_sample_of_all_sources(sampled: Sampled) -> None:
    sampled.pods.answers = {1: exposition(queue=4)}
    time, memory = metric(MetricType.RESPONSE_TIME), metric(MetricType.MEMORY)
    pods = [sampled.pods.pod(1)]
    await sampled.take(target(pods, CPU, memory, QUEUE, time, port=sampled.pods.port, arrivals=True))
    (sample,) = sampled.window().samples
    assert sample.at == NOW
    averages = {kind: reading.average for kind, reading in sample.readings.items()}
    assert averages == {CPU.type: 50, memory.type: None, QUEUE.type: 4, time.type: None}
    assert sample.arrivals is not None
    # That the first scrape has nothing to compare with is over with the next.
    assert sample.missing.keys() == {memory.type}
    assert sampled.woken == [KEY]


async def test_each_service_at_its_pace_and_none_twice_at_a_time(sampled: Sampled) -> None:
    slow = target([], CPU, every=15)
    sampled.metrics.answering.clear()
    for seconds in (0, 15, 30):
        sampled.sampler.start_due([slow], NOW + timedelta(seconds=seconds))
        await asyncio.sleep(0)
    sampled.metrics.answering.set()
    await eventually(lambda: bool(sampled.window().samples))
    assert sampled.metrics.asked == ["default"]
    for seconds in (31, 40, 60):
        sampled.sampler.start_due([slow], NOW + timedelta(seconds=seconds))
    await eventually(lambda: len(sampled.window().samples) == 2)
    assert len(sampled.metrics.asked) == 2


async def test_services_of_a_namespace_share_one_list_request(sampled: Sampled) -> None:
    services = [target([], CPU, service=name, every=every) for name, every in (("a", 5), ("b", 15))]
    other = target([], CPU, key=Key("other", "demo"))
    await sampled.take(*services, other)
    assert sorted(sampled.metrics.asked) == ["default", "other"]
    later = next_due(NOW, services[1])
    sampled.metrics.asked.clear()
    sampled.sampler.start_due(services, later)
    await eventually(lambda: all(len(sampled.window(name).samples) == 2 for name in "ab"))
    assert sampled.metrics.asked == ["default"]


@pytest.mark.parametrize("late", [0.0, 0.24, 3.0, 7.4])
@pytest.mark.parametrize("every", [1, 15, 300])
def test_samples_keep_to_a_grid(late: float, every: int) -> None:
    wanted = target([], every=every)
    first = next_due(NOW, wanted)
    again = next_due(first + timedelta(seconds=late), wanted)
    assert (again - first) % wanted.every == timedelta()
    assert wanted.every / 2 < again - first - timedelta(seconds=late) <= 1.5 * wanted.every
    if late < every / 2:
        assert again - first == wanted.every


async def test_start_up_times_are_those_of_nine_of_ten_pods(sampled: Sampled) -> None:
    async def start_seconds(pods: Iterable[Pod], at: float) -> float | None:
        await sampled.take(target(pods, CPU), at=at)
        return sampled.window().samples[-1].start_seconds

    pods = [sampled.pods.pod(seconds) for seconds in range(1, 11)]
    assert await start_seconds([], 0) is None
    assert await start_seconds(pods, 2) == 9
    assert await start_seconds(pods[:1], 4) == 9, "of pods that are gone too"
    unready_for_a_while = replace(pods[0], start_seconds=500)
    assert await start_seconds([unready_for_a_while], 6) == 9
    others = [replace(pods[0], uid=f"new-{i}", start_seconds=3) for i in range(MAX_STARTS)]
    assert await start_seconds(others, 8) == 3, "the newest count"


async def test_a_clock_that_went_back_does_not_stop_the_samples(sampled: Sampled) -> None:
    wanted = target([], CPU)
    await sampled.take(wanted)
    await sampled.take(wanted, at=-3600)
    assert len(sampled.metrics.asked) == 2


async def test_one_that_hangs_among_50_services_delays_no_other(sampled: Sampled) -> None:
    sampled.pods.answers = {n: exposition(queue=n) for n in range(1, 51)}
    sampled.pods.answers[7] = sampled.pods.hang
    targets = [
        target(
            [sampled.pods.pod(n)],
            QUEUE,
            port=sampled.pods.port,
            every=300,
            service=f"s{n}",
            key=Key(f"ns{n % 5}", "demo"),
        )
        for n in range(1, 51)
    ]
    sampled.sampler.start_due(targets, NOW)
    await eventually(lambda: len(sampled.woken) == 49)
    values = {
        t.service.name: sample.readings[MetricType.QUEUE_DEPTH].average
        for t in targets
        for sample in sampled.window(t.service.name, t.service.key).samples
    }
    assert values == {f"s{n}": n for n in range(1, 51) if n != 7}


async def test_what_is_gone_is_forgotten(sampled: Sampled) -> None:
    await sampled.take(target([], CPU, service="gone"), target([], CPU))
    assert age("gone") is not None
    sampled.sampler.start_due([target([], CPU)], NOW)
    assert (age("gone"), age() is None) == (None, False)
    assert sampled.sampler.windows(KEY).keys() == {"api"}


async def test_a_service_that_goes_during_its_sample_takes_nothing_from_the_others(sampled: Sampled) -> None:
    sampled.metrics.answering.clear()
    sampled.sampler.start_due([target([], CPU, service="gone"), target([], CPU)], NOW)
    await eventually(lambda: sampled.metrics.asked == ["default"])
    sampled.sampler.start_due([target([], CPU)], NOW)
    sampled.metrics.answering.set()
    await eventually(lambda: bool(sampled.window().samples))
    assert sampled.woken == [KEY]
    assert age("gone") is None


async def test_a_new_leader_begins_anew_where_the_last_one_ended(sampled: Sampled) -> None:
    await sampled.take(target([], CPU))
    sampled.metrics.answering.clear()
    sampled.sampler.start_due([target([], CPU)], NOW + timedelta(seconds=2))
    resumed = NOW - timedelta(seconds=9)
    sampled.sampler.reset(resumed)
    assert sampled.sampler.windows(KEY) == {}
    assert age() is None
    sampled.metrics.answering.set()
    await sampled.take(target([], CPU), at=3)
    assert sampled.window().seen_until == resumed
    assert len(sampled.window().samples) == 1


async def test_what_is_missing_is_counted_by_source_and_reason(sampled: Sampled) -> None:
    def counted() -> float:
        labels = {"source": "resource", "reason": "NotConfigured"}
        return REGISTRY.get_sample_value("ragops_sample_missing_total", labels) or 0

    before = counted()
    sampled.metrics.error = NotServedError("metrics.k8s.io/v1beta1", "PodMetrics")
    await sampled.take(target([], CPU))
    assert counted() == before + 1
    assert "does not know PodMetrics" in sampled.window().samples[0].missing[MetricType.CPU]


async def test_the_next_call_is_when_the_next_sample_is_due(sampled: Sampled) -> None:
    """Not a tick later: that would be part of each reaction to a breach."""
    every_second = target([], CPU)
    due = next_due(NOW, every_second)
    assert sampled.sampler.start_due([every_second], NOW) == TICK_SECONDS
    just_before = due - timedelta(milliseconds=40)
    assert sampled.sampler.start_due([every_second], just_before) == pytest.approx(0.04)
