"""Passes requests for documents on to the documents service, bodies as streams."""

from __future__ import annotations

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from ragservices.common.http import Upstream

# Of a request and of a response: what describes the body, and what the client must know.
_REQUEST_HEADERS = ("content-type", "content-length", "accept")
_RESPONSE_HEADERS = ("content-type", "content-length", "retry-after")


async def forward(request: Request, upstream: Upstream) -> StreamingResponse:
    """Sends the request as it is and returns the answer as it comes. Raises UpstreamUnavailable."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    has_body = request.method == "POST"
    answer = await upstream.open(
        request.method,
        path,
        content=request.stream() if has_body else None,
        headers={name: request.headers[name] for name in _REQUEST_HEADERS if name in request.headers},
    )
    return StreamingResponse(
        answer.aiter_raw(),
        status_code=answer.status_code,
        headers={name: answer.headers[name] for name in _RESPONSE_HEADERS if name in answer.headers},
        background=BackgroundTask(answer.aclose),
    )
