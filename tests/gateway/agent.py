"""The agent as a process of its own, beside a gateway that runs."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.gateway.gateway import Gateway, until

Raw = dict[str, Any]


class Agent:
    """An agent that can be killed and started again."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Starts it and waits until it is ready."""
        layout = self.gateway.layout
        options = {
            "--config": layout.config,
            "--run": layout.run,
            "--tls": layout.tls,
            "--log-port": layout.log_port,
            "--alarm-port": layout.alarm_port,
            "--port": layout.agent_port,
        }
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from ragops.cli.main import main; main()", "gateway-agent"),
            *(str(word) for option in options.items() for word in option),
        )
        await until(self.ready, "the agent is ready")

    async def ready(self) -> bool:
        """Whether it says so."""
        assert self.process is not None
        assert self.process.returncode is None, "the agent has ended"
        return (await self.get("/readyz"))[0] == 200

    async def kill(self) -> None:
        """Ends it without a chance to clean up."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def get(self, path: str) -> tuple[int | None, str]:
        """Status and text; None where nobody listens."""
        url = f"http://127.0.0.1:{self.gateway.layout.agent_port}{path}"
        try:
            async with self.gateway.session.get(url) as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientConnectionError:
            return None, ""

    async def figures(self) -> Raw:
        """All of /v1/figures."""
        url = f"http://127.0.0.1:{self.gateway.layout.agent_port}/v1/figures"
        async with self.gateway.session.get(url) as answer:
            found: Raw = await answer.json()
            return found

    async def variant(self, service: str, name: str = "stable") -> Raw:
        """The figures of a variant of a service."""
        (found,) = [one for one in (await self.figures())["services"] if one["name"] == service]
        (variant,) = [one for one in found["variants"] if one["name"] == name]
        return dict(variant)

    async def pods(self, service: str) -> dict[str, Raw]:
        """The figures of the pods of its stable variant, by address."""
        return {pod["address"]: pod for pod in (await self.variant(service))["pods"]}

    async def wait_for(self, service: str, address: str, what: Callable[[Raw], bool]) -> None:
        """Waits until the figures of a pod are so."""

        async def so() -> bool:
            pod = (await self.pods(service)).get(address)
            return pod is not None and what(pod)

        await until(so, f"the figures of {address}")


@asynccontextmanager
async def run_agent(gateway: Gateway) -> AsyncIterator[Agent]:
    """An agent beside this gateway."""
    agent = Agent(gateway)
    try:
        await agent.start()
        yield agent
    finally:
        await agent.kill()


class Clients:
    """Requests all the time, some side by side, each one's status kept."""

    def __init__(self, gateway: Gateway, service: str) -> None:
        self._gateway, self._service = gateway, service
        self.statuses: list[int] = []

    async def _ask(self) -> None:
        while True:
            answer = await self._gateway.ask(self._service)
            self.statuses.append(answer.status)
            await asyncio.sleep(0.01)

    async def served(self, more: int) -> None:
        """Waits until so many more have been answered."""
        wanted = len(self.statuses) + more

        async def enough() -> bool:
            return len(self.statuses) >= wanted

        await until(enough, f"{more} answers")


@asynccontextmanager
async def run_clients(gateway: Gateway, service: str, count: int = 4) -> AsyncIterator[Clients]:
    """Clients that ask as long as the block runs."""
    clients = Clients(gateway, service)
    tasks = [asyncio.create_task(clients._ask()) for _ in range(count)]
    try:
        yield clients
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
