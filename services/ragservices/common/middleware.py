"""What happens around every request: its id, its log line, its metrics."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ragservices.common.context import REQUEST_ID_HEADER, enter_request
from ragservices.common.errors import ApiError, error_response
from ragservices.common.metrics import ERRORS, REQUEST_SECONDS, REQUESTS

log = logging.getLogger(__name__)

# Asked every few seconds by the cluster; they would drown the figures of the real work.
UNMEASURED = frozenset({"/livez", "/readyz", "/metrics"})


class RequestMiddleware:
    """Outermost layer: also turns an unexpected exception into a 500 of the common shape."""

    def __init__(self, app: ASGIApp, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = enter_request(Headers(scope=scope).get(REQUEST_ID_HEADER))
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID_HEADER] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("the client went away", extra={"path": scope["path"]})
        except Exception:
            log.exception("request failed", extra={"path": scope["path"]})
            if status:  # too late to say so: the connection is cut instead
                raise
            response = error_response(
                500, "internal_error", "unexpected error; the service's log has the details"
            )
            await response(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        if scope["path"] in UNMEASURED:
            return
        route = getattr(scope.get("route"), "path", "unmatched")
        # 499: the client went away before there was an answer.
        REQUESTS.labels(self._service, route, scope["method"], str(status or 499)).inc()
        REQUEST_SECONDS.labels(self._service, route, scope["method"]).observe(seconds)
        if status >= 500:
            ERRORS.labels(self._service, scope.get("ragservices.error_code", "internal_error")).inc()
        log.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": status or 499,
                "seconds": round(seconds, 4),
            },
        )


class BodyLimitMiddleware:
    """Refuses a request body above a number of bytes: 413, before it is read when its length is announced."""

    def __init__(self, app: ASGIApp, limit: int, unlimited_paths: Collection[str]) -> None:
        self._app = app
        self._limit = limit
        self._unlimited_paths = unlimited_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry point."""
        if scope["type"] != "http" or scope["path"] in self._unlimited_paths:
            await self._app(scope, receive, send)
            return
        error = ApiError(
            413,
            "too_large",
            f"the request body exceeds this service's limit of {self._limit} bytes: send less at once",
        )
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            await error_response(413, error.code, error.message)(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise error
            return message

        await self._app(scope, limited, send)
