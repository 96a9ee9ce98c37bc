"""Scrapes through the API server's pod proxy, which a small HTTPS-less server plays here."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from ragops.cluster.access import ApiServer
from ragops.metrics import scrape
from ragops.metrics.pod import Pod
from ragops.metrics.scrape import NoWayError, ProxyScraper
from ragops.metrics.source import MissingReason, SourceError

from .pods import serving

POD = Pod("demo-api-1", "team", "uid-1")


@dataclass
class Api:
    """An API server that remembers what it was asked."""

    asked: list[tuple[str, str | None]] = field(default_factory=list)
    status: int = 200
    text: str = "x 1\n"
    hanging: str | None = None
    """A path that is answered once the test has stopped it."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        """Any path."""
        self.asked.append((request.path, request.headers.get("Authorization")))
        if request.path == self.hanging:
            await self.stop.wait()
        return web.Response(text=self.text, status=self.status, headers={"Location": "/api/v1/secrets"})


@pytest.fixture
async def api() -> Api:
    """The API server."""
    return Api()


@pytest.fixture
async def server(api: Api) -> AsyncIterator[ApiServer]:
    """The API server has a path of its own, as behind some gateways."""

    async def headers() -> Mapping[str, str]:
        return {"authorization": "Bearer token"}

    app = web.Application()
    app.router.add_get("/{path:.*}", api.answer)
    async with serving(app) as port:
        yield ApiServer(f"http://127.0.0.1:{port}/k8s", ssl.create_default_context(), None, headers)


@pytest.fixture
async def scraper(server: ApiServer) -> AsyncIterator[ProxyScraper]:
    """The scraper under test."""
    found = ProxyScraper(server)
    yield found
    await found.close()


async def test_through_the_proxy_with_the_operators_credentials(api: Api, scraper: ProxyScraper) -> None:
    assert await scraper.get(POD, 8000, "/metrics/all") == b"x 1\n"
    path = "/k8s/api/v1/namespaces/team/pods/demo-api-1:8000/proxy/metrics/all"
    assert api.asked == [(path, "Bearer token")]


@pytest.mark.parametrize("path", ["/../../../../secrets", "/metrics/.."])
async def test_no_path_leaves_the_pod(api: Api, scraper: ProxyScraper, path: str) -> None:
    with pytest.raises(SourceError, match="which leaves the pod: remove"):
        await scraper.get(POD, 8000, path)
    assert api.asked == []


@pytest.mark.parametrize(("status", "told"), [(403, "may not `get` `pods/proxy`"), (503, "status 503")])
async def test_what_the_api_server_refuses(api: Api, scraper: ProxyScraper, status: int, told: str) -> None:
    api.status = status
    with pytest.raises(SourceError, match=told) as refused:
        await scraper.get(POD, 8000, "/metrics")
    assert refused.value.missing.reason is MissingReason.REFUSED


async def test_a_redirect_of_a_pod_is_not_followed(api: Api, scraper: ProxyScraper) -> None:
    api.status = 307
    with pytest.raises(SourceError, match="status 307"):
        await scraper.get(POD, 8000, "/metrics")
    assert len(api.asked) == 1


NOT_REACHED = (
    '{"kind":"Status","apiVersion":"v1","status":"Failure","code":503,"reason":"ServiceUnavailable",'
    '"message":"error trying to reach service: dial tcp 10.0.0.9:8000: connect: connection refused"}'
)
OVERLOADED = '{"kind":"Status","apiVersion":"v1","status":"Failure","code":429,"message":"too many requests"}'


@pytest.mark.parametrize("status", [200, 204, 307, 404, 500, 503])
async def test_a_check_gives_the_status_of_the_pod(api: Api, scraper: ProxyScraper, status: int) -> None:
    api.status = status
    assert await scraper.check(POD, 8000, "/readyz") == status
    assert len(api.asked) == 1


async def test_scrapes_that_hang_do_not_keep_checks_out(
    api: Api, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrape, "CONNECTIONS", 1)
    api.hanging = "/k8s/api/v1/namespaces/team/pods/demo-api-1:8000/proxy/metrics"
    scraper = ProxyScraper(server)
    hanging = asyncio.create_task(scraper.get(POD, 8000, "/metrics"))
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(5):
            assert await scraper.check(POD, 8000, "/readyz") == 200
        assert not hanging.done()
    finally:
        api.stop.set()
        await hanging
        await scraper.close()


async def test_a_check_tells_the_pods_silence_from_the_api_servers(api: Api, scraper: ProxyScraper) -> None:
    api.status, api.text = 503, NOT_REACHED
    with pytest.raises(SourceError, match="no connection") as silent:
        await scraper.check(POD, 8000, "/readyz")
    assert not isinstance(silent.value, NoWayError)
    for status in (401, 403, 404, 429, 500, 503):
        api.status, api.text = status, OVERLOADED
        with pytest.raises(NoWayError):
            await scraper.check(POD, 8000, "/readyz")


async def test_a_check_without_an_api_server_says_nothing_of_the_pod() -> None:
    async def headers() -> Mapping[str, str]:
        return {}

    server = ApiServer("http://127.0.0.1:1", ssl.create_default_context(), None, headers)
    lonely = ProxyScraper(server)
    try:
        with pytest.raises(NoWayError):
            await lonely.check(POD, 8000, "/readyz")
        with pytest.raises(NoWayError, match="leaves the pod"):
            await lonely.check(POD, 8000, "/../../secrets")
    finally:
        await lonely.close()
