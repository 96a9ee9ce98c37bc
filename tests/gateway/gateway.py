"""A gateway as in its pod: HAProxy under its master process, with the files that the operator would mount."""

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import aiohttp

from ragops.api.rag import RAGDeployment
from ragops.gateway.config import build_config
from ragops.gateway.files import build_agent_config, build_retry_map, build_split_map
from ragops.gateway.layout import TLS_OFFSET, Layout
from tests.gateway.dns import Names, serve_names

DOMAIN = "cluster.test"
TIMEOUT_SECONDS = 30.0

Raw = dict[str, Any]


def make_rag(services: Mapping[str, Raw], gateway: Raw | None = None) -> RAGDeployment:
    """A RAGDeployment with these services behind the gateway."""
    return RAGDeployment.model_validate(
        {
            "metadata": {"name": "demo", "namespace": "rags"},
            "spec": {
                "gateway": {"enabled": True, "replicas": 1, **(gateway or {})},
                "services": [
                    {"name": name, "type": "Generation", **fields} for name, fields in services.items()
                ],
            },
        }
    )


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Waits until the condition holds."""

    async def hold() -> None:
        while not await condition():  # noqa: ASYNC110 - what HAProxy does makes no event here
            await asyncio.sleep(0.02)

    try:
        await asyncio.wait_for(hold(), TIMEOUT_SECONDS)
    except TimeoutError:
        raise AssertionError(f"not within {TIMEOUT_SECONDS:.0f} s: {what}") from None


def free_service_port() -> int:
    """A port that is free, and with it the one of TLS."""
    while True:
        port = free_port()
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.bind(("127.0.0.1", port + TLS_OFFSET))
            return port


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port on 127.0.0.1 that nobody listens on."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: Raw

    @property
    def pod(self) -> str | None:
        """The address of the pod that answered; None where the gateway itself did."""
        return self.body.get("pod")

    @property
    def error(self) -> str | None:
        """The code of an error of the gateway."""
        return (self.body.get("error") or {}).get("code")


@dataclass
class Gateway:
    """A gateway that runs."""

    rag: RAGDeployment
    layout: Layout
    ports: Mapping[str, int]
    names: Names
    session: aiohttp.ClientSession
    log: "asyncio.Queue[str]"
    shares: dict[str, int] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    """The master process."""

    def url(self, service: str, path: str = "/") -> str:
        """The address of a service at the gateway."""
        return f"http://127.0.0.1:{self.ports[service]}{path}"

    def list_pods(self, service: str, *addresses: str, candidate: bool = False) -> None:
        """What the headless Service of a service lists from now on."""
        ending = "candidate" if candidate else "headless"
        self.names.addresses[f"demo-{service}-{ending}.rags.svc.{DOMAIN}"] = addresses

    def write(self) -> None:
        """Writes the mounted files anew."""
        files = {
            self.layout.haproxy_config: build_config(self.rag, self.ports, DOMAIN, self.layout),
            self.layout.split_map: build_split_map(self.rag, self.ports, self.shares),
            self.layout.retry_map: build_retry_map(self.rag, self.ports),
            self.layout.agent_config: build_agent_config(self.rag, self.ports, {}, "1"),
        }
        for path, text in files.items():
            Path(path).write_text(text)

    async def command(self, command: str) -> str:
        """The answer of HAProxy's runtime API."""
        return await _ask(Path(self.layout.admin_socket), command)

    def save_state(self, state: str) -> None:
        """What a new worker begins with."""
        Path(self.layout.server_state).write_text(state)

    async def reload(self) -> None:
        """What the agent does when the configuration changes: a new worker takes over the sockets."""
        self.save_state(await self.command("show servers state"))
        before = await self.worker()
        await _ask(Path(self.layout.master_socket), "reload")

        async def replaced() -> bool:
            return await self.worker() not in (None, before)

        await until(replaced, "a new worker")

    async def worker(self) -> str | None:
        """The process id of the worker that takes new connections; None while the master does not answer."""
        try:
            told = await _ask(Path(self.layout.master_socket), "show proc")
        except OSError:
            return None
        lines = told.partition("# workers")[2].partition("#")[0].splitlines()
        return next((line.split()[0] for line in lines if line.strip()), None)

    def stop_gently(self) -> None:
        """What the kubelet sends first to a pod that shall end."""
        assert self.process is not None
        self.process.send_signal(signal.SIGUSR1)

    async def kill(self) -> None:
        """Ends the master and its workers."""
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    async def retries_allowed(self, service: str, allowed: bool = True) -> None:
        """What the agent says about a service's budget."""
        await self.command(f"set map {self.layout.retry_map} {service} {int(allowed)}")

    async def up(self, service: str, variant: str = "stable") -> set[str]:
        """The addresses of the pods that get requests."""
        told = await self.command(f"show servers state {service}.{variant}")
        rows = [line.split(" ") for line in told.splitlines()[2:] if line]
        # Columns 4 to 6: address, operational state (2: running), administrative state (0: none set).
        return {row[4] for row in rows if row[5] == "2" and row[6] == "0"}

    async def wait_for(self, service: str, *addresses: str, variant: str = "stable") -> None:
        """Waits until exactly these pods get requests."""

        async def there() -> bool:
            return await self.up(service, variant) == set(addresses)

        await until(there, f"{service}.{variant} with {addresses}")

    async def ask(self, service: str, method: str = "GET", **options: Any) -> "Answer":
        """One request to a service."""
        path = options.pop("path", "/")
        async with self.session.request(method, self.url(service, path), **options) as answer:
            text = await answer.text()
            told = json.loads(text) if answer.content_type == "application/json" else {}
            return Answer(answer.status, answer.headers, told)

    async def logged(self) -> list[str]:
        """The fields of the next request in the log."""
        while True:
            fields = (await asyncio.wait_for(self.log.get(), TIMEOUT_SECONDS)).split(" ")
            if len(fields) == 8 and fields[5].isdigit():
                return fields


async def _ask(path: Path, command: str) -> str:
    reader, writer = await asyncio.open_unix_connection(str(path), limit=2**20)
    try:
        writer.write(command.encode() + b"\n")
        writer.write_eof()  # the master would wait for more
        return (await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)).decode()
    finally:
        writer.close()


class _Log(asyncio.DatagramProtocol):
    def __init__(self, lines: "asyncio.Queue[str]") -> None:
        self._lines = lines

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio's
        self._lines.put_nowait(data.decode().strip())


@asynccontextmanager
async def run_gateway(
    binary: str,
    services: Mapping[str, Raw],
    *,
    gateway: Raw | None = None,
    shares: dict[str, int] | None = None,
    tls: Path | None = None,
    agent: bool = False,
) -> AsyncIterator[Gateway]:
    """A gateway with these services. `agent`: a real one takes the log instead of the test."""
    # Not pytest's directory: the path of a socket may have 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="gateway-"))
    lines: asyncio.Queue[str] = asyncio.Queue()
    log_port = free_port(socket.SOCK_DGRAM)
    loop = asyncio.get_running_loop()
    log = None
    if not agent:
        log, _ = await loop.create_datagram_endpoint(lambda: _Log(lines), local_addr=("127.0.0.1", log_port))
    async with serve_names() as (names, dns_port), aiohttp.ClientSession() as session:
        layout = Layout(
            config=PurePosixPath(directory),
            run=PurePosixPath(directory),
            log_port=log_port,
            alarm_port=free_port(socket.SOCK_DGRAM),
            agent_port=free_port(),
            health_port=free_port(),
            tls=PurePosixPath(tls or directory),
            bind="127.0.0.1",
            nameserver=f"127.0.0.1:{dns_port}",
        )
        ports = {name: free_service_port() for name in services}
        running = Gateway(make_rag(services, gateway), layout, ports, names, session, lines, shares or {})
        running.write()
        try:
            await start_haproxy(binary, running)
            yield running
        finally:
            await running.kill()
            if log is not None:
                log.close()
            shutil.rmtree(directory)


async def start_haproxy(binary: str, gateway: Gateway) -> None:
    """Starts the master with a worker, and waits until it says that it runs."""
    process = gateway.process = await asyncio.create_subprocess_exec(
        *gateway.layout.haproxy_command(binary), stderr=asyncio.subprocess.DEVNULL
    )

    async def runs() -> bool:
        assert process.returncode is None, "HAProxy has ended"
        return await health(gateway) == 200 and await gateway.worker() is not None

    await until(runs, "HAProxy runs")


async def health(gateway: Gateway) -> int | None:
    """What the kubelet is told; None where nobody listens."""
    try:
        async with gateway.session.get(f"http://127.0.0.1:{gateway.layout.health_port}/healthz") as answer:
            return answer.status
    except aiohttp.ClientConnectionError:
        return None


def agent_settings(gateway: Gateway) -> Raw:
    """What agent.json says."""
    settings: Raw = json.loads(Path(gateway.layout.agent_config).read_text())
    return settings
