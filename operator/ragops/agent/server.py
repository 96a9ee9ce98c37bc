"""The agent's HTTP endpoint: /healthz, /readyz, /metrics and /v1/figures."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


def application(
    alive: Callable[[], str | None],
    ready: Callable[[], str | None],
    figures: Callable[[], dict[str, Any]],
    registry: CollectorRegistry,
) -> web.Application:
    """`alive` and `ready` return what is wrong, or None."""
    app = web.Application()

    async def healthz(_: web.Request) -> web.Response:
        return _answer(alive())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def v1_figures(_: web.Request) -> web.Response:
        return web.json_response(figures())

    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    app.add_routes([web.get("/metrics", metrics), web.get("/v1/figures", v1_figures)])
    return app


def _answer(trouble: str | None) -> web.Response:
    return web.Response(status=503 if trouble else 200, text=f"{trouble or 'ok'}\n")


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[None]:
    """The routes are served on this port as long as the block runs."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
