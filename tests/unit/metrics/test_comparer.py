"""What a canary and the stable version beside it did in a step, from pods that a real server plays."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from ragops.api.autoscaling import MetricType
from ragops.cluster.cache import Key
from ragops.metrics import comparer
from ragops.metrics.comparer import Compared, Comparer
from ragops.metrics.endpoint import EndpointSource
from ragops.metrics.pod import Pod
from ragops.metrics.scrape import DirectScraper
from ragops.orchestration.analysis import Comparison, Figures
from ragops.resources.variant import Variant

from .pods import Pods, metric, playing, target

METRICS = (metric(MetricType.ERROR_RATE), metric(MetricType.RESPONSE_TIME))


def told(requests: int, errors: int = 0, seconds: float = 0.0) -> str:
    """What a pod exposes."""
    return (
        f"ragservices_requests_total {requests}\n"
        f"ragservices_errors_total {errors}\n"
        f"ragservices_request_seconds_count {requests}\n"
        f"ragservices_request_seconds_sum {seconds}\n"
    )


@dataclass
class Compare:
    """One canary: pods 1 and 2 are of the stable version, pod 3 is its own."""

    pods: Pods
    comparer: Comparer
    woken: list[Key]
    ready: dict[Variant, tuple[int, ...]] = field(
        default_factory=lambda: {Variant.STABLE: (1, 2), Variant.CANDIDATE: (3,)}
    )

    async def sample(self, first: str, second: str, canary: str, step: int = 0) -> Comparison | None:
        """The next sample, with what the three pods answer in it."""
        self.pods.answers.update({1: first, 2: second, 3: canary})
        compared = self.compared(step)
        self.comparer.start_due([compared])
        task = self.comparer._canaries[compared.service].task
        assert task is not None
        await task
        await asyncio.sleep(0)
        return self.comparer.comparison(compared.service)

    def compared(self, step: int = 0) -> Compared:
        """The canary in a step."""
        return Compared("r1", step, target([], *METRICS, port=self.pods.port), self._ready)

    def _ready(self, variant: Variant) -> list[Pod]:
        return [self.pods.pod(number) for number in self.ready[variant]]


@pytest.fixture
async def compare(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Compare]:
    """A sample whenever one is wanted."""
    monkeypatch.setattr(comparer, "EVERY", comparer.EVERY * 0)
    scraper = DirectScraper()
    async with playing() as pods:
        woken: list[Key] = []
        made = Comparer(EndpointSource(scraper), woken.append)
        yield Compare(pods, made, woken)
        await made.close()
        await scraper.close()


async def test_requests_are_counted_from_the_begin_of_a_step(compare: Compare) -> None:
    assert await compare.sample(told(1000, 10), told(5), told(7, 7)) == Comparison("r1", 0)
    assert compare.woken == []
    found = await compare.sample(told(1040, 10, 4), told(15, 1, 1), told(27, 9, 6))
    assert found == Comparison("r1", 0, Figures(50, 1, 50, 5), Figures(20, 2, 20, 6))
    assert len(compare.woken) == 1
    found = await compare.sample(told(1050, 10, 5), told(15, 1, 1), told(28, 9, 6.5))
    assert found == Comparison("r1", 0, Figures(60, 1, 60, 6), Figures(21, 2, 21, 6.5))

    # The next step begins at nothing, and what was before it does not count.
    found = await compare.sample(told(2000, 10, 5), told(15, 1, 1), told(500, 9, 6.5), step=1)
    assert found == Comparison("r1", 1)
    found = await compare.sample(told(2001, 10, 5), told(15, 1, 1), told(503, 9, 6.5), step=1)
    assert found is not None
    assert (found.stable.requests, found.candidate.requests) == (1, 3)


async def test_what_pods_do_not_tell_is_not_counted(compare: Compare) -> None:
    nothing = "other 1\n"
    await compare.sample(told(10), told(10), nothing)
    found = await compare.sample(told(20), told(20), nothing)
    assert found is not None
    assert found.candidate == Figures()
    # Without pods there is nothing to count, and no fault.
    compare.ready[Variant.CANDIDATE] = ()
    found = await compare.sample(told(30), told(30), nothing)
    assert found == Comparison("r1", 0, Figures(40, 0, 40, 0), Figures())


async def test_a_pod_that_comes_later_is_compared_with_its_first_scrape(compare: Compare) -> None:
    compare.ready[Variant.CANDIDATE] = ()
    await compare.sample(told(10), told(10), told(90))
    compare.ready[Variant.CANDIDATE] = (3,)
    await compare.sample(told(10), told(10), told(100, 50))
    found = await compare.sample(told(10), told(10), told(110, 50))
    assert found is not None
    assert (found.candidate.requests, found.candidate.errors) == (10, 0)


async def test_a_canary_that_is_over_is_forgotten(compare: Compare) -> None:
    await compare.sample(told(1), told(1), told(1))
    service = compare.compared().service
    assert compare.comparer.comparison(service) is not None
    compare.comparer.start_due([])
    assert compare.comparer.comparison(service) is None
    await compare.sample(told(1), told(1), told(1))
    compare.comparer.reset()
    assert compare.comparer.comparison(service) is None


async def test_a_version_without_failures_may_not_count_them_yet(compare: Compare) -> None:
    def good(requests: int) -> str:
        return "".join(line + "\n" for line in told(requests).splitlines() if "errors" not in line)

    await compare.sample(good(0), good(0), told(0))
    found = await compare.sample(good(20), good(30), told(10, 9))
    assert found is not None
    assert (found.stable.requests, found.stable.errors) == (50, 0)
    assert (found.candidate.requests, found.candidate.errors) == (10, 9)
