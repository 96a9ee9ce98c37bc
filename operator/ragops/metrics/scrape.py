"""Requests to pods: straight to the pod inside the cluster, through the API server's pod proxy outside.

What a pod answers is not trusted: no redirect is followed, nothing is unpacked, and reading stops at a size.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Protocol

import aiohttp
from yarl import URL

from ragops.cluster.access import ApiServer
from ragops.metrics.exposition import MAX_BYTES
from ragops.metrics.pod import Pod
from ragops.metrics.source import MissingReason, SourceError

CONNECTIONS: Final = 512
"""Scrapes at a time, of all services: a bound for sockets, far above what answering pods ever need."""
UNBOUNDED: Final = 0
"""For checks, which the prober bounds: one that waited for a connection would be a check without answer."""
MAX_PIECES: Final = 4096
"""Chunks of one answer. Servers send some KiB in each."""
ACCEPT: Final = "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5"
TYPES: Final = ("text/plain", "application/openmetrics-text")
JSON_TYPES: Final = ("application/json",)
MAX_JSON_BYTES: Final = 8 << 20
"""A gateway's figures of 32 services with two variants of 200 pods are about 4 MB."""
CHECK_BYTES: Final = 10 << 10
"""Of the answer to a check. What is more is cut off, as the kubelet does it: the status is what counts."""


class StatusError(SourceError):
    """An answer with a status other than 200, redirects included."""

    def __init__(self, status: int) -> None:
        super().__init__(MissingReason.REFUSED, f"status {status}")
        self.status = status


class NoWayError(SourceError):
    """The request did not get as far as to the pod: nothing is known of it."""


class Scraper(Protocol):
    """A way to the pods."""

    async def get(self, pod: Pod, port: int, path: str, types: Sequence[str] = TYPES) -> bytes:
        """What the pod's endpoint exposes, in one of these media types. Raises SourceError. The caller limits
        the time."""

    async def check(self, pod: Pod, port: int, path: str) -> int:
        """The HTTP status of the pod's answer, of which no more than CHECK_BYTES are read. Raises SourceError
        where the pod gives none, NoWayError where it was not asked. Waits for no scrape and no other check.
        The caller limits the time, and how many there are at once."""

    async def close(self) -> None:
        """Closes all connections."""


class DirectScraper:
    """Straight to the pod's address."""

    def __init__(self) -> None:
        self._session = _session(CONNECTIONS)
        self._checks = _session(UNBOUNDED)

    async def get(self, pod: Pod, port: int, path: str, types: Sequence[str] = TYPES) -> bytes:
        """See Scraper."""
        return await _get(self._session, _direct(pod, port, path), {}, types)

    async def check(self, pod: Pod, port: int, path: str) -> int:
        """See Scraper."""
        async with _answer(self._checks, _direct(pod, port, path), {}) as response:
            await read_at_most(response, CHECK_BYTES)
            return response.status

    async def close(self) -> None:
        """See Scraper."""
        await self._session.close()
        await self._checks.close()


class ProxyScraper:
    """Through the API server, with the operator's own credentials. They need `get` on `pods/proxy`."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._session = _session(CONNECTIONS, server)
        self._checks = _session(UNBOUNDED, server)

    async def get(self, pod: Pod, port: int, path: str, types: Sequence[str] = TYPES) -> bytes:
        """See Scraper."""
        url = self._url(pod, port, path)
        try:
            return await _get(self._session, url, await self._server.headers(), types, self._server.name)
        except StatusError as error:
            if error.status != 403:
                raise
            why = "status 403: the operator may not `get` `pods/proxy`, or the pod refuses it"
            raise SourceError(MissingReason.REFUSED, why) from error

    async def check(self, pod: Pod, port: int, path: str) -> int:
        """See Scraper."""
        url, server = self._url(pod, port, path), self._server
        try:
            async with _answer(self._checks, url, await server.headers(), server.name) as response:
                status, body = response.status, await read_at_most(response, CHECK_BYTES)
        except SourceError as error:
            if error.missing.reason is MissingReason.UNREACHABLE:
                raise NoWayError(MissingReason.UNREACHABLE, f"the API server: {error}") from error
            raise
        if status >= 400 and (message := _of_api_server(body)) is not None:
            raise _not_proxied(status, message)
        return status

    async def close(self) -> None:
        """See Scraper."""
        await self._session.close()
        await self._checks.close()

    def _url(self, pod: Pod, port: int, path: str) -> URL:
        if {".", ".."} & set(path.split("/")):
            # The URL would be one of the API server itself.
            raise NoWayError(
                MissingReason.REFUSED, f"the path is {path}, which leaves the pod: remove '.' and '..'"
            )
        proxy = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{port}/proxy{path}"
        return URL(f"{self._server.url}{proxy}")


def _session(limit: int, server: ApiServer | None = None) -> aiohttp.ClientSession:
    """One connection a scrape: an idle one would be closed by the pod just when it is used again."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=limit, force_close=server is None, ssl=server.ssl if server else True
        ),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"Accept": ACCEPT, "Accept-Encoding": "identity", "User-Agent": "ragops"},
        trust_env=server is not None,
    )


def _direct(pod: Pod, port: int, path: str) -> URL:
    if pod.address is None:
        raise NoWayError(MissingReason.UNREACHABLE, "it has no address")
    return URL.build(scheme="http", host=pod.address, port=port, path=path)


def _of_api_server(body: bytes) -> str | None:
    """The message of the API server's own error; None where the answer came from the pod."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict) or (answer.get("apiVersion"), answer.get("kind")) != ("v1", "Status"):
        return None
    return str(answer.get("message"))


def _not_proxied(status: int, message: str) -> SourceError:
    """That the pod gave the API server no answer is told with 503 and how the request to it ended."""
    if status == 503 and "error trying to reach service" in message:
        return SourceError(MissingReason.UNREACHABLE, "no connection")
    return NoWayError(MissingReason.REFUSED, f"status {status} of the API server")


async def _get(
    session: aiohttp.ClientSession,
    url: URL,
    headers: Mapping[str, str],
    types: Sequence[str],
    server_name: str | None = None,
) -> bytes:
    async with _answer(session, url, headers, server_name) as response:
        if response.status != 200:
            raise StatusError(response.status)
        if response.content_type not in types or "Content-Encoding" in response.headers:
            what = "JSON" if types is JSON_TYPES else "Prometheus' text format"
            raise SourceError(MissingReason.WRONG_TYPE, f"an answer that is not {what}")
        return await read_at_most(response, MAX_JSON_BYTES if types is JSON_TYPES else MAX_BYTES)


@asynccontextmanager
async def _answer(
    session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str], server_name: str | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    try:
        async with session.get(
            url, headers=headers, allow_redirects=False, server_hostname=server_name
        ) as response:
            yield response
    except (aiohttp.ClientError, OSError) as error:
        raise SourceError(MissingReason.UNREACHABLE, f"no connection ({type(error).__name__})") from error


async def read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or somewhat more than `limit` bytes of a larger one, whose connection is then closed.

    Raises SourceError for one in very small pieces, each of which takes time.
    """
    body = bytearray()
    pieces = 0
    async for piece, _ in response.content.iter_chunks():
        if not piece and response.content.at_eof():
            break  # aiohttp gives empty pieces without end of an answer that has no body
        body += piece
        pieces += 1
        if len(body) > limit or pieces > MAX_PIECES:
            response.close()
            break
    if pieces > MAX_PIECES:
        raise SourceError(MissingReason.TOO_LARGE, f"an answer in more than {MAX_PIECES} pieces")
    return bytes(body)
