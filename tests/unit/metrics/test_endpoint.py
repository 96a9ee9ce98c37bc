"""Response time, error rate, queue depth and arrivals from pods that a real server plays."""

from collections.abc import AsyncIterator
from itertools import count

import pytest

from ragops.api.autoscaling import MetricSpec, MetricType
from ragops.metrics.endpoint import RECENT_SAMPLES, EndpointSource
from ragops.metrics.pod import Pod
from ragops.metrics.scrape import DirectScraper
from ragops.metrics.source import Measured, MissingReason
from ragops.scaling.sample import Reading

from .pods import Pods, exposition, metric, playing, target

TIME = metric(MetricType.RESPONSE_TIME)
ERRORS = metric(MetricType.ERROR_RATE)
QUEUE = metric(MetricType.QUEUE_DEPTH)
ALL = (TIME, ERRORS, QUEUE)


class Scraped:
    """One service, scraped at the times that the test tells."""

    def __init__(self, pods: Pods, source: EndpointSource) -> None:
        self.pods = pods
        self.now = 0.0
        self._source = source

    async def sample(
        self,
        *answers: str,
        metrics: tuple[MetricSpec, ...] = ALL,
        seconds: float = 1,
        restarts: int = 0,
        ready: list[Pod] | None = None,
    ) -> Measured:
        """The next sample, in which pods 1, 2, ... answer this."""
        self.now += seconds
        self.pods.answers.update(zip(count(1), answers, strict=False))
        pods = ready or [self.pods.pod(number, restarts) for number in range(1, len(answers) + 1)]
        return await self._source.measure(target(pods, *metrics, port=self.pods.port, arrivals=True), pods)


@pytest.fixture
async def scraped() -> AsyncIterator[Scraped]:
    """One service."""
    scraper = DirectScraper()
    try:
        async with playing() as pods:
            clock = Scraped(pods, EndpointSource(scraper, lambda: clock.now))
            yield clock
    finally:
        await scraper.close()


def average(found: Measured, kind: MetricType) -> float | None:
    return found.readings[kind].average


async def test_between_two_scrapes(scraped: Scraped) -> None:
    await scraped.sample(exposition(100, 10), exposition(50, 5))
    found = await scraped.sample(
        exposition(110, 12, errors=1, queue=3), exposition(80, 35, errors=3, queue=0), seconds=2
    )
    assert average(found, MetricType.RESPONSE_TIME) == pytest.approx(1000 * (2 + 30) / 40)
    assert average(found, MetricType.ERROR_RATE) == pytest.approx(100 * 4 / 40)
    assert average(found, MetricType.QUEUE_DEPTH) == pytest.approx(1.5)
    assert found.arrivals is not None
    assert found.arrivals.total == pytest.approx(40 / 2)
    assert all(reading.complete for reading in (*found.readings.values(), found.arrivals))
    assert found.missing == {}


async def test_the_first_scrape_has_nothing_to_compare_with(scraped: Scraped) -> None:
    found = await scraped.sample(exposition(100, 10, queue=4))
    assert average(found, MetricType.QUEUE_DEPTH) == 4
    assert average(found, MetricType.RESPONSE_TIME) is None
    assert {kind: why.reason for kind, why in found.missing.items()} == {
        MetricType.RESPONSE_TIME: MissingReason.FIRST_SCRAPE,
        MetricType.ERROR_RATE: MissingReason.FIRST_SCRAPE,
    }
    assert average(await scraped.sample(exposition(101, 11)), MetricType.RESPONSE_TIME) == 1000


async def test_a_pod_without_requests_has_no_weight_and_is_not_missing(scraped: Scraped) -> None:
    await scraped.sample(exposition(100, 10), exposition(50, 5))
    found = await scraped.sample(exposition(100, 10), exposition(60, 6))
    assert found.readings[MetricType.RESPONSE_TIME].complete
    assert average(found, MetricType.RESPONSE_TIME) == pytest.approx(100)
    idle = await scraped.sample(exposition(100, 10), exposition(60, 6))
    assert [average(idle, kind) for kind in (MetricType.RESPONSE_TIME, MetricType.ERROR_RATE)] == [0, 0]


async def test_counters_that_begin_anew(scraped: Scraped) -> None:
    await scraped.sample(exposition(100, 10))
    found = await scraped.sample(exposition(4, 8))
    assert average(found, MetricType.RESPONSE_TIME) == pytest.approx(2000)
    assert found.arrivals is not None
    assert found.arrivals.total == pytest.approx(4)


async def test_after_a_restart_a_higher_counter_is_not_taken_for_the_old_one(scraped: Scraped) -> None:
    await scraped.sample(exposition(1, 1))
    found = await scraped.sample(exposition(100, 10), restarts=1)
    assert found.missing[MetricType.RESPONSE_TIME].reason is MissingReason.FIRST_SCRAPE


async def test_a_metric_that_was_not_asked_for_before_has_nothing_to_compare_with(scraped: Scraped) -> None:
    """Else all requests since the pod's start would count as those of one sample."""
    await scraped.sample(exposition(100, 10), metrics=(QUEUE,))
    found = await scraped.sample(exposition(101, 11), metrics=(QUEUE, TIME))
    assert found.missing[MetricType.RESPONSE_TIME].reason is MissingReason.FIRST_SCRAPE


async def test_a_scrape_that_failed_is_made_up_for_by_the_next(scraped: Scraped) -> None:
    await scraped.sample(exposition(100, 10))
    failed = await scraped.sample("ragservices_requests_total x")
    assert failed.missing[MetricType.QUEUE_DEPTH] == (
        MissingReason.MALFORMED,
        "pod pod-1: metrics that cannot be read",
    )
    found = await scraped.sample(exposition(104, 14))
    assert average(found, MetricType.RESPONSE_TIME) == 1000
    assert found.arrivals is not None
    assert found.arrivals.total == pytest.approx(2)
    late = await scraped.sample(exposition(104, 14), seconds=RECENT_SAMPLES + 1)
    assert late.missing[MetricType.RESPONSE_TIME].reason is MissingReason.FIRST_SCRAPE


async def test_a_name_that_no_pod_exposes_is_told(scraped: Scraped) -> None:
    without = exposition(100, 10).replace("ragservices_errors_total", "other")
    await scraped.sample(without)
    found = await scraped.sample(without)
    assert average(found, MetricType.ERROR_RATE) is None
    assert found.missing == {
        MetricType.ERROR_RATE: (
            MissingReason.NOT_EXPOSED,
            "no pod exposes a metric ragservices_errors_total",
        )
    }


async def test_a_pod_that_does_not_know_a_metric_yet_has_had_no_request(scraped: Scraped) -> None:
    """As those clients that tell nothing of a metric before its first series."""
    await scraped.sample(exposition(100, 10), "ragservices_queue_depth 0")
    found = await scraped.sample(exposition(110, 20), "ragservices_queue_depth 0")
    assert found.readings[MetricType.RESPONSE_TIME].complete
    assert average(found, MetricType.RESPONSE_TIME) == pytest.approx(1000)


async def test_numbers_that_make_no_sense_are_missing(scraped: Scraped) -> None:
    await scraped.sample(exposition(1, 1), exposition(1, 1))
    found = await scraped.sample(exposition(2, 2, queue=5), exposition(float("nan"), 1e300, queue=-1))
    assert {kind: reading.measured for kind, reading in found.readings.items()} == dict.fromkeys(
        (m.type for m in ALL), 1
    )
    assert found.missing[MetricType.RESPONSE_TIME].reason is MissingReason.MALFORMED


async def test_percentiles_are_of_all_requests_of_all_pods(scraped: Scraped) -> None:
    p90 = (metric(MetricType.RESPONSE_TIME, percentile=90),)
    zero = exposition(buckets={"0.1": 0, "1.0": 0, "+Inf": 0})
    fast = exposition(80, 1, buckets={"0.1": 80, "1.0": 80, "+Inf": 80})
    slow = exposition(20, 9, buckets={"0.1": 0, "1.0": 20, "+Inf": 20})
    await scraped.sample(zero, zero, metrics=p90)
    reading = (await scraped.sample(fast, slow, metrics=p90)).readings[MetricType.RESPONSE_TIME]
    assert reading.average == pytest.approx(1000 * (0.1 + 0.9 * 0.5))
    assert reading.floor == reading.average, "of two pods nobody can say which one is bad"


async def test_one_slow_pod_among_many_does_not_lift_the_floor_of_a_percentile(scraped: Scraped) -> None:
    p99 = (metric(MetricType.RESPONSE_TIME, percentile=99),)
    zero = exposition(buckets={"0.1": 0, "1.0": 0, "+Inf": 0})
    fast = exposition(100, 1, buckets={"0.1": 100, "1.0": 100, "+Inf": 100})
    slow = exposition(100, 90, buckets={"0.1": 0, "1.0": 100, "+Inf": 100})
    await scraped.sample(*[zero] * 4, metrics=p99)
    reading = (await scraped.sample(fast, slow, fast, fast, metrics=p99)).readings[MetricType.RESPONSE_TIME]
    assert reading.average == pytest.approx(1000 * (0.1 + 0.96 * 0.9))
    assert reading.floor == pytest.approx(1000 * 0.99 * 0.1)


async def test_percentiles_without_requests_and_without_buckets(scraped: Scraped) -> None:
    p90 = (metric(MetricType.RESPONSE_TIME, percentile=90),)
    some = exposition(10, 1, buckets={"0.1": 10, "+Inf": 10})
    await scraped.sample(some, metrics=p90)
    idle = await scraped.sample(some, metrics=p90)
    assert idle.readings[MetricType.RESPONSE_TIME] == Reading(total=0, measured=1, ready=1, weight=0)
    bare = exposition(20, 1)
    await scraped.sample(bare, metrics=p90)
    found = await scraped.sample(bare, metrics=p90)
    assert (
        found.missing[MetricType.RESPONSE_TIME].text
        == "no pod exposes a metric ragservices_request_seconds_bucket"
    )


async def test_nothing_is_asked_where_nothing_is_wanted(scraped: Scraped) -> None:
    source = EndpointSource(DirectScraper())
    pods = [scraped.pods.pod(1)]
    for unwanted in (metric(MetricType.CPU), metric(MetricType.QUEUE_DEPTH, query="x")):
        assert await source.measure(target(pods, unwanted, port=scraped.pods.port), pods) == Measured()
