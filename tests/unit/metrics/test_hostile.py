"""An endpoint that hangs or does harm costs nothing but its own sample."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from itertools import count

import pytest
from aiohttp import web

from ragops.api.autoscaling import MetricType
from ragops.metrics import scrape
from ragops.metrics.endpoint import PODS_AT_ONCE, EndpointSource
from ragops.metrics.exposition import MAX_BYTES
from ragops.metrics.pod import Pod
from ragops.metrics.scrape import DirectScraper
from ragops.metrics.source import MissingReason

from .pods import Handler, Pods, exposition, metric, playing, serving, target

QUEUE = metric(MetricType.QUEUE_DEPTH)
TEXT = {"Content-Type": "text/plain"}


@pytest.fixture
async def source() -> AsyncIterator[EndpointSource]:
    """The source under test."""
    scraper = DirectScraper()
    yield EndpointSource(scraper)
    await scraper.close()


@pytest.fixture
async def pods() -> AsyncIterator[Pods]:
    """Pods that a test lets play."""
    async with playing() as found:
        yield found


def endless(piece: bytes, pause: float = 0) -> Handler:
    """Sends this piece again and again."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=TEXT)
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(piece)
            await asyncio.sleep(pause)
        return response

    return answer


def chunked(pieces: bytes) -> Handler:
    """Sends these chunks again and again."""

    async def answer(request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None
        transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not transport.is_closing():
            transport.write(pieces)
            await asyncio.sleep(0.01)
        return web.Response()

    return answer


def fixed(body: bytes = b"ragservices_queue_depth 5\n", status: int = 200, **headers: str) -> Handler:
    """Sends this."""

    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(body=body, status=status, headers={**TEXT, **named})

    return answer


def series(number: int) -> bytes:
    return "".join(f'ragservices_queue_depth{{a="{i}"}} 1\n' for i in range(number)).encode()


HOSTILE: dict[str, tuple[Callable[[], Handler], MissingReason]] = {
    "endless": (lambda: endless(b"x" * 65536), MissingReason.TOO_LARGE),
    "tiny pieces": (lambda: chunked(b"1\r\n\n\r\n" * 10_000), MissingReason.TOO_LARGE),
    "trickle": (lambda: endless(b"\n", pause=0.01), MissingReason.TIMEOUT),
    "redirect": (lambda: fixed(status=302, Location="http://127.0.1.1/metrics"), MissingReason.REFUSED),
    "failing": (lambda: fixed(status=500), MissingReason.REFUSED),
    "wrong type": (lambda: fixed(Content_Type="text/html"), MissingReason.WRONG_TYPE),
    "bomb": (
        lambda: fixed(gzip.compress(bytes(100 * MAX_BYTES)), Content_Encoding="gzip"),
        MissingReason.WRONG_TYPE,
    ),
    "a million series": (lambda: fixed(series(1_000_000)), MissingReason.TOO_LARGE),
    "many series": (lambda: fixed(series(20_000)), MissingReason.TOO_LARGE),
    "not text": (lambda: fixed(b'ragservices_queue_depth{a="\xff"} 1\n'), MissingReason.MALFORMED),
    "long label": (
        lambda: fixed(b'ragservices_queue_depth{a="' + b"\\\\" * 100_000 + b'"} 1\n'),
        MissingReason.TOO_LARGE,
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
async def test_only_its_own_sample_is_missing(kind: str, pods: Pods, source: EndpointSource) -> None:
    make, reason = HOSTILE[kind]
    pods.answers = {1: exposition(queue=1), 2: make(), 3: exposition(queue=2)}
    ready = [pods.pod(number) for number in (1, 2, 3)]
    found = await source.measure(target(ready, QUEUE, port=pods.port), ready)
    reading = found.readings[QUEUE.type]
    assert (reading.total, reading.measured, reading.ready) == (3, 2, 3)
    assert found.missing[QUEUE.type].reason is reason
    assert found.missing[QUEUE.type].text.startswith("pod pod-2: ")


async def test_a_redirect_is_not_followed(pods: Pods, source: EndpointSource) -> None:
    asked = asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        asked.set()
        return web.Response()

    other = web.Application()
    other.router.add_get("/metrics", answer)
    async with serving(other) as port:
        pods.answers[1] = fixed(status=307, Location=f"http://127.0.0.1:{port}/metrics")
        ready = [pods.pod(1)]
        await source.measure(target(ready, QUEUE, port=pods.port), ready)
    assert not asked.is_set()


async def test_pods_that_cannot_be_reached(source: EndpointSource) -> None:
    ready = [Pod("no-address", uid="1"), Pod("gone", uid="2", address="127.0.0.1")]
    found = await source.measure(target(ready, QUEUE, port=1), ready)
    assert found.missing[QUEUE.type] == (MissingReason.UNREACHABLE, "pod no-address: it has no address")
    found = await source.measure(target(ready[1:], QUEUE, port=1), ready[1:])
    assert found.missing[QUEUE.type].reason is MissingReason.UNREACHABLE


async def test_more_hanging_pods_than_slots_do_not_keep_the_others_out(
    pods: Pods, source: EndpointSource
) -> None:
    """Once they have hung for one sample, the others go first."""
    hanging, well = range(1, PODS_AT_ONCE + 11), range(101, 111)
    ready = [pods.pod(number) for number in (*hanging, *well)]
    pods.answers = {**dict.fromkeys(hanging, pods.hang), **dict.fromkeys(well, exposition(queue=1))}
    await source.measure(target(ready, QUEUE, port=pods.port), ready)
    found = await source.measure(target(ready, QUEUE, port=pods.port), ready)
    assert found.readings[QUEUE.type].measured == len(well)
    assert found.missing[QUEUE.type] == (MissingReason.TIMEOUT, "pod pod-1: no answer in time")


async def test_scrapes_that_hang_do_not_keep_checks_out(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "CONNECTIONS", 1)
    scraper = DirectScraper()
    pods.answers = {1: pods.hang, 2: exposition()}
    hanging = asyncio.create_task(scraper.get(pods.pod(1), pods.port, "/metrics"))
    checks = [asyncio.create_task(scraper.check(pods.pod(1), pods.port, "/metrics")) for _ in range(3)]
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            assert await scraper.check(pods.pod(2), pods.port, "/metrics") == 200
        assert not any(task.done() for task in (hanging, *checks))
    finally:
        pods.stop.set()
        await asyncio.gather(hanging, *checks, return_exceptions=True)
        await scraper.close()


async def test_parsing_takes_a_share_of_the_time_and_no_more(pods: Pods, source: EndpointSource) -> None:
    """Labels that differ each time, so that nothing parsed before is of use."""
    fresh = count()

    async def answer(_: web.Request) -> web.StreamResponse:
        lines = [f'ragservices_queue_depth{{a="{"b" * 100}{next(fresh)}"}} 1\n' for _ in range(900)]
        return web.Response(text="".join(lines), headers=TEXT)

    numbers = range(1, 401)
    pods.answers = dict.fromkeys(numbers, answer)
    ready = [pods.pod(number) for number in numbers]
    found = await source.measure(target(ready, QUEUE, port=pods.port), ready)
    assert 0 < found.readings[QUEUE.type].measured < len(numbers)
    assert found.missing[QUEUE.type].text.endswith("the service's pods expose too much to parse")


async def test_ipv6_addresses(source: EndpointSource) -> None:
    app = web.Application()
    app.router.add_get("/metrics", fixed())
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "::1", 0).start()
        ready = [Pod("six", uid="6", address="::1")]
        found = await source.measure(target(ready, QUEUE, port=runner.addresses[0][1]), ready)
        assert found.readings[QUEUE.type].average == 5
    finally:
        await runner.cleanup()
