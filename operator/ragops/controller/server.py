"""The HTTP endpoint of the operator: liveness, readiness, Prometheus metrics, current health of services."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
"""Where `kubectl port-forward` comes from, inside the pod. Not all of 127.0.0.0/8: some meshes send from
there what others have asked for."""


def application(
    alive: Callable[[], str | None],
    ready: Callable[[], str | None],
    healths: Callable[[], Iterable[dict[str, Any]] | None] = lambda: None,
) -> web.Application:
    """Routes /livez, /readyz, /metrics and /v1/health. `alive` and `ready` return what is wrong, or None;
    `healths` the readings of all services, or None on a standby, which has none. Those are of all tenants:
    they are told to whom the cluster lets forward a port of this pod, and not to everyone who may scrape.
    """
    app = web.Application()

    async def livez(_: web.Request) -> web.Response:
        return _answer(alive())

    async def readyz(_: web.Request) -> web.Response:
        return _answer(ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def health(request: web.Request) -> web.Response:
        if request.remote not in LOOPBACK:
            hint = "ask through kubectl port-forward: this tells the health of all namespaces"
            return web.json_response({"error": hint}, status=403)
        return _health(healths(), **request.match_info)

    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    app.add_routes([web.get("/v1/health", health), web.get("/v1/health/{namespace}/{rag}", health)])
    return app


def _health(
    services: Iterable[dict[str, Any]] | None, namespace: str | None = None, rag: str | None = None
) -> web.Response:
    if services is None:
        return web.json_response({"error": "another replica leads: ask that one"}, status=503)
    if namespace is None:
        return web.json_response({"services": list(services)})
    found = [one for one in services if (one["namespace"], one["rag"]) == (namespace, rag)]
    if not found:
        return web.json_response({"error": f"no RAGDeployment {namespace}/{rag} is known"}, status=404)
    return web.json_response({"services": found})


def _answer(trouble: str | None) -> web.Response:
    return web.Response(status=503 if trouble else 200, text=f"{trouble or 'ok'}\n")


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[None]:
    """The routes are served on this port, 0 for any free one, as long as the block runs."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield
    finally:
        await runner.cleanup()
