"""Calls to the other services: a timeout on each, connection failures retried once, failures named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from ragservices.common.context import REQUEST_ID_HEADER, current_request_id
from ragservices.common.errors import ApiError

# Below the server's keep-alive time (see server.py).
KEEP_ALIVE_SECONDS = 10.0
CONNECT_SECONDS = 3.0
RETRY_AFTER_SECONDS = 5


class UpstreamUnavailable(ApiError):
    """Another service cannot be reached, is too slow, or failed: 503, with that service's name."""

    def __init__(self, upstream: str, reason: str, *, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        super().__init__(
            503,
            "upstream_unavailable",
            f"the {upstream} service is not available: {reason}; try again in {retry_after} s",
            retry_after=retry_after,
        )
        self.upstream = upstream


class UpstreamRejected(ApiError):
    """Another service refused what it was sent: 502, as that is no fault of our caller."""

    def __init__(self, upstream: str, status: int, code: str, message: str) -> None:
        super().__init__(502, "upstream_rejected", f"the {upstream} service answered {status}: {message}")
        self.upstream = upstream
        self.upstream_status = status
        self.upstream_code = code
        self.upstream_message = message


class Upstream:
    """One service that this one calls."""

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        trust_env: bool = False,
    ) -> None:
        """`timeout` is the longest wait, in seconds, for the next piece of an answer. `trust_env`: go through
        the environment's proxy, which services of one cluster must not do among themselves."""
        self.name = name
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
            limits=httpx.Limits(max_connections=200, keepalive_expiry=KEEP_ALIVE_SECONDS),
            headers=headers,
            trust_env=trust_env,
        )

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def get_json(self, path: str) -> Any:
        """GETs JSON. Raises UpstreamUnavailable or UpstreamRejected."""
        return await self._json("GET", path, None)

    async def post_json(self, path: str, body: Any) -> Any:
        """POSTs JSON to an operation that may safely be repeated. Raises UpstreamUnavailable or
        UpstreamRejected."""
        return await self._json("POST", path, body)

    async def open(
        self, method: str, path: str, *, content: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Sends once and returns the answer with its body unread; the caller closes it. Raises
        UpstreamUnavailable."""
        request = self._client.build_request(
            method,
            path,
            content=content,
            headers={**(headers or {}), REQUEST_ID_HEADER: current_request_id()},
        )
        try:
            return await self._client.send(request, stream=True)
        except httpx.TransportError as error:
            raise self._unavailable(error) from error

    async def _json(self, method: str, path: str, body: Any) -> Any:
        try:
            response = await self._send(method, path, body)
        except httpx.TransportError as error:
            raise self._unavailable(error) from error
        if response.is_success:
            try:
                return response.json()
            except json.JSONDecodeError as error:
                raise UpstreamUnavailable(self.name, "its answer is not JSON") from error
        code, message = _error_of(response)
        if response.status_code >= 500 or response.status_code == 429:
            raise UpstreamUnavailable(self.name, message)
        raise UpstreamRejected(self.name, response.status_code, code, message)

    async def _send(self, method: str, path: str, body: Any) -> httpx.Response:
        headers = {REQUEST_ID_HEADER: current_request_id()}
        try:
            return await self._client.request(method, path, json=body, headers=headers)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            # A pod that just went away, most often; the next connection goes to another.
            return await self._client.request(method, path, json=body, headers=headers)

    def _unavailable(self, error: httpx.TransportError) -> UpstreamUnavailable:
        reason = (
            "no answer in time"
            if isinstance(error, httpx.TimeoutException)
            else str(error) or type(error).__name__
        )
        return UpstreamUnavailable(self.name, reason)


def _error_of(response: httpx.Response) -> tuple[str, str]:
    """Code and message of an error answer, ours or OpenAI's, else the status line."""
    fallback = f"status {response.status_code} {response.reason_phrase}"
    try:
        error = response.json()["error"]
        return str(error.get("code") or "error"), str(error["message"])
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
        return "error", fallback
