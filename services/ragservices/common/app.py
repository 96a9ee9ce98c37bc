"""The application every service is built on: probes, metrics, request ids, errors, admission."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from ragservices.common.errors import install_error_handlers
from ragservices.common.middleware import BodyLimitMiddleware, RequestMiddleware

# Returns None when all is well, else the reason for people.
Check = Callable[[], Awaitable[str | None]]
Lifespan = Callable[[], AbstractAsyncContextManager[None]]


@dataclass
class Lifecycle:
    """Shared by the application and the server that runs it."""

    stopping: bool = False
    checks: dict[str, Check] = field(default_factory=dict)
    vital: dict[str, Check] = field(default_factory=dict)

    async def problems(self) -> dict[str, str]:
        """Everything that keeps the service from doing its work, by name."""
        if self.stopping:
            return {"stopping": "the service is shutting down"}
        return await _found(self.checks)

    async def fatal_problems(self) -> dict[str, str]:
        """What only a new start of the process can mend, by name."""
        return await _found(self.vital)


async def _found(checks: Mapping[str, Check]) -> dict[str, str]:
    found = {name: await check() for name, check in checks.items()}
    return {name: reason for name, reason in found.items() if reason is not None}


def create_app(
    service: str,
    lifespan: Lifespan,
    checks: Mapping[str, Check],
    *,
    vital: Mapping[str, Check] | None = None,
    max_body_bytes: int = 8 << 20,
    unlimited_paths: Collection[str] = (),
) -> FastAPI:
    """An application with /livez, /readyz and /metrics; its Lifecycle is at `app.state.lifecycle`.

    `checks` are for readiness; `vital` ones are for liveness: they must fail only for what a restart mends.
    Request bodies are limited to `max_body_bytes`, except where another service sets the limit:
    `unlimited_paths`."""
    lifecycle = Lifecycle(checks=dict(checks), vital=dict(vital or {}))

    @asynccontextmanager
    async def run(_app: FastAPI) -> AsyncIterator[None]:
        async with lifespan():
            yield

    app = FastAPI(title=f"ragops {service}", lifespan=run, docs_url=None, redoc_url=None)
    app.state.lifecycle = lifecycle
    app.add_middleware(BodyLimitMiddleware, limit=max_body_bytes, unlimited_paths=unlimited_paths)
    app.add_middleware(RequestMiddleware, service=service)
    install_error_handlers(app)

    @app.get("/livez", tags=["health"])
    async def livez() -> JSONResponse:
        """The process is alive and of use; 503 with the reasons when only a restart can help."""
        problems = await lifecycle.fatal_problems()
        if problems:
            return JSONResponse({"status": "failed", "reasons": problems}, status_code=503)
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", tags=["health"])
    async def readyz() -> JSONResponse:
        """The service can do its work; else 503 with the reasons."""
        problems = await lifecycle.problems()
        if problems:
            return JSONResponse({"status": "unready", "reasons": problems}, status_code=503)
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", tags=["health"])
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app
