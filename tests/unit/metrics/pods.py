"""Pods with metrics, played by one real HTTP server: each has an address of its own in 127.0.0.0/8."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from aiohttp import web

from ragops.api.autoscaling import EndpointSpec, MetricSpec, MetricType
from ragops.api.defaults import DEFAULT_THRESHOLDS
from ragops.cluster.cache import Key
from ragops.metrics.pod import Pod
from ragops.metrics.source import ServiceId, Target

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY: Final = Key("default", "demo")
SECONDS: Final = "ragservices_request_seconds"


@dataclass
class Pods:
    """The played pods by number: a text to answer with, or a handler."""

    port: int = 0
    answers: dict[int, str | Handler] = field(default_factory=dict)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Ends the handlers that hang."""

    def pod(self, number: int, restarts: int = 0) -> Pod:
        """The pod of a number."""
        address = f"127.0.1.{number}"
        return Pod(
            f"pod-{number}",
            "default",
            f"uid-{number}",
            address,
            restarts,
            start_seconds=number,
            amounts={"cpu": 1.0},
        )

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Plays the pod whose address was asked."""
        number = int((request.url.host or "").rpartition(".")[2])
        answer = self.answers[number]
        if isinstance(answer, str):
            return web.Response(text=answer, headers={"Content-Type": "text/plain; version=0.0.4"})
        return await answer(request)

    async def hang(self, _: web.Request) -> web.StreamResponse:
        """A handler that does not answer until the test is over."""
        await self.stop.wait()
        return web.Response()


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[int]:
    """Serves on all addresses of this machine. Gives the port."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "0.0.0.0", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def playing() -> AsyncIterator[Pods]:
    """Pods that answer nothing yet."""
    pods = Pods()
    app = web.Application()
    app.router.add_get("/metrics", pods.answer)
    app.router.add_get("/v1/figures", pods.answer)
    async with serving(app) as port:
        pods.port = port
        try:
            yield pods
        finally:
            pods.stop.set()


def metric(kind: MetricType, **settings: object) -> MetricSpec:
    """A metric with its default thresholds."""
    default = DEFAULT_THRESHOLDS[kind]
    return MetricSpec.model_validate(
        {"type": kind, "up_above": default.up_above, "down_below": default.down_below, **settings}
    )


def target(
    pods: Iterable[Pod],
    *metrics: MetricSpec,
    port: int = 80,
    every: float = 1,
    service: str = "api",
    key: Key = KEY,
    arrivals: bool = False,
) -> Target:
    """A service with these ready pods."""
    ready = list(pods)
    return Target(
        service=ServiceId(key, service),
        every=timedelta(seconds=every),
        observe=lambda window, sample: window.with_sample(sample, timedelta(minutes=5)),
        metrics=metrics,
        endpoint=EndpointSpec(port=port),
        arrivals=arrivals,
        pods=lambda: ready,
    )


def exposition(
    count: float = 0,
    seconds: float = 0,
    errors: float = 0,
    queue: float = 0,
    buckets: Mapping[str, float] | None = None,
) -> str:
    """What a reference image exposes after so many requests."""
    labels = 'service="api",route="/v1/chat",method="POST"'
    lines = [
        "# HELP ragservices_requests_total Requests answered.",
        "# TYPE ragservices_requests_total counter",
        f'ragservices_requests_total{{{labels},status="200"}} {count - errors}',
        f'ragservices_requests_total{{{labels},status="500"}} {errors}',
        "# TYPE ragservices_errors_total counter",
        *([f'ragservices_errors_total{{service="api",code="x"}} {errors}'] if errors else []),
        f"# TYPE {SECONDS} histogram",
        *(f'{SECONDS}_bucket{{{labels},le="{le}"}} {n}' for le, n in (buckets or {}).items()),
        f"{SECONDS}_count{{{labels}}} {count}",
        f"{SECONDS}_sum{{{labels}}} {seconds}",
        "# TYPE ragservices_queue_depth gauge",
        f'ragservices_queue_depth{{service="api"}} {queue}',
    ]
    return "\n".join(lines) + "\n"
