"""How to reach the API server for what the dynamic client cannot do: streamed answers with a limit."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from kubernetes.aio.client import ApiClient


@dataclass(frozen=True)
class ApiServer:
    """The API server, and who we are to it."""

    url: str
    ssl: ssl.SSLContext
    """Trusts its certificate, and has ours where we have one."""
    name: str | None
    """Name in its certificate where that is not the URL's host."""
    headers: Callable[[], Awaitable[Mapping[str, str]]]
    """Headers of a request; a token is renewed before it expires."""


def api_server(client: ApiClient) -> ApiServer:
    """The API server of a client."""

    async def headers() -> Mapping[str, str]:
        found: dict[str, str] = {}
        await client.update_params_for_auth(found, [], ["BearerToken"], "", "GET", None)
        return found

    configuration = client.configuration
    return ApiServer(
        url=configuration.host.rstrip("/"),
        ssl=client.rest_client.ssl_context,
        name=configuration.tls_server_name or None,
        headers=headers,
    )
