"""Pods as the gateway sees them: addresses that listen on the port of all services, with faults if wanted."""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from ragops.resources.environment import HTTP_PORT

# All of 127.0.0.0/8 is this machine. Of each process its own, so that tests may run side by side.
_ADDRESSES = (
    f"127.{64 + os.getpid() % 64}.{number // 250 + 1}.{number % 250 + 1}" for number in itertools.count()
)


class Pod:
    """One pod: it answers with its own address and with what it was asked."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.ready = True
        self.status = 200
        self.requests = 0
        """Requests that have reached it, without those of the health checks."""
        self.hold: asyncio.Event | None = None
        """Requests wait for this before they are answered."""
        self.waiting = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request but those below."""
        if request.path == "/readyz":
            return web.Response(status=200 if self.ready else 503)
        self.requests += 1
        if request.path == "/stream":
            return await self._stream(request)
        if request.path == "/socket":
            return await self._socket(request)
        body = await request.read()
        if self.hold is not None:
            self.waiting += 1
            try:
                await self.hold.wait()
            finally:
                self.waiting -= 1
        told = {"pod": self.address, "headers": dict(request.headers), "body": len(body)}
        return web.json_response(told, status=self.status)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Events with pauses, as an answer that is generated word by word."""
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for number in range(int(request.query["events"])):
            await answer.write(f"data: {number}\n\n".encode())
            await asyncio.sleep(float(request.query["pause"]))
        await answer.write_eof()
        return answer

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        async for message in connection:
            if message.type is WSMsgType.TEXT:
                await connection.send_str(f"{self.address}: {message.data}")
        return connection


@asynccontextmanager
async def run_pods(count: int) -> AsyncIterator[list[Pod]]:
    """Pods, each at an address of its own."""
    pods = [Pod(next(_ADDRESSES)) for _ in range(count)]
    runners = [await _start(pod) for pod in pods]
    try:
        yield pods
    finally:
        for runner in runners:
            await runner.cleanup()


async def _start(pod: Pod) -> web.AppRunner:
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", pod.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, pod.address, HTTP_PORT).start()
    return runner
