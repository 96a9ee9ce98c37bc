"""Scrapes of pods: straight to the pod inside the cluster, through the API server's pod proxy outside.

What a pod answers is not trusted: no redirect is followed, nothing is unpacked, and reading stops at a size.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import aiohttp
from yarl import URL

from ragops.cluster.access import ApiServer
from ragops.metrics.exposition import MAX_BYTES
from ragops.metrics.pod import Pod
from ragops.metrics.source import MissingReason, SourceError

CONNECTIONS: Final = 512
"""Scrapes at a time, of all services: a bound for sockets, far above what answering pods ever need."""
MAX_PIECES: Final = 4096
"""Chunks of one answer. Servers send some KiB in each."""
ACCEPT: Final = "text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5"
TYPES: Final = ("text/plain", "application/openmetrics-text")


class StatusError(SourceError):
    """An answer with a status other than 200, redirects included."""

    def __init__(self, status: int) -> None:
        super().__init__(MissingReason.REFUSED, f"status {status}")
        self.status = status


class Scraper(Protocol):
    """A way to the pods."""

    async def get(self, pod: Pod, port: int, path: str) -> bytes:
        """What the pod's endpoint exposes. Raises SourceError. The caller limits the time."""

    async def close(self) -> None:
        """Closes all connections."""


class DirectScraper:
    """Straight to the pod's address."""

    def __init__(self) -> None:
        self._session = _session()

    async def get(self, pod: Pod, port: int, path: str) -> bytes:
        """See Scraper."""
        if pod.address is None:
            raise SourceError(MissingReason.UNREACHABLE, "it has no address")
        url = URL.build(scheme="http", host=pod.address, port=port, path=path)
        return await _get(self._session, url, {})

    async def close(self) -> None:
        """See Scraper."""
        await self._session.close()


class ProxyScraper:
    """Through the API server, with the operator's own credentials. They need `get` on `pods/proxy`."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._session = _session(server)

    async def get(self, pod: Pod, port: int, path: str) -> bytes:
        """See Scraper."""
        if {".", ".."} & set(path.split("/")):
            # The URL would be one of the API server itself.
            raise SourceError(
                MissingReason.REFUSED, f"endpoint.path is {path}, which leaves the pod: remove '.' and '..'"
            )
        proxy = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}:{port}/proxy{path}"
        url = URL(f"{self._server.url}{proxy}")
        try:
            return await _get(self._session, url, await self._server.headers(), self._server.name)
        except StatusError as error:
            if error.status != 403:
                raise
            why = "status 403: the operator may not `get` `pods/proxy`, or the pod refuses it"
            raise SourceError(MissingReason.REFUSED, why) from error

    async def close(self) -> None:
        """See Scraper."""
        await self._session.close()


def _session(server: ApiServer | None = None) -> aiohttp.ClientSession:
    """One connection a scrape: an idle one would be closed by the pod just when it is used again."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=CONNECTIONS, force_close=server is None, ssl=server.ssl if server else True
        ),
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        headers={"Accept": ACCEPT, "Accept-Encoding": "identity", "User-Agent": "ragops"},
        trust_env=server is not None,
    )


async def _get(
    session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str], server_name: str | None = None
) -> bytes:
    try:
        async with session.get(
            url, headers=headers, allow_redirects=False, server_hostname=server_name
        ) as response:
            if response.status != 200:
                raise StatusError(response.status)
            if response.content_type not in TYPES or "Content-Encoding" in response.headers:
                raise SourceError(MissingReason.WRONG_TYPE, "an answer that is not Prometheus' text format")
            return await read_at_most(response, MAX_BYTES)
    except (aiohttp.ClientError, OSError) as error:
        raise SourceError(MissingReason.UNREACHABLE, f"no connection ({type(error).__name__})") from error


async def read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body, or somewhat more than `limit` bytes of a larger one, whose connection is then closed.

    Raises SourceError for one in very small pieces, each of which takes time.
    """
    body = bytearray()
    pieces = 0
    async for piece, _ in response.content.iter_chunks():
        body += piece
        pieces += 1
        if len(body) > limit or pieces > MAX_PIECES:
            response.close()
            break
    if pieces > MAX_PIECES:
        raise SourceError(MissingReason.TOO_LARGE, f"an answer in more than {MAX_PIECES} pieces")
    return bytes(body)
