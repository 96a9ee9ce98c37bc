"""Our gateway as in its pod: HAProxy with the operator's files, and the agent beside it."""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from socket import SOCK_DGRAM
from typing import Any, Final

from bench.pool import Backend, Names, Played, await_port, free_port, running
from ragops.api.rag import RAGDeployment
from ragops.gateway.config import build_config
from ragops.gateway.files import Usage, build_agent_config, build_retry_map, build_split_map
from ragops.gateway.layout import Layout

SERVICE: Final = "answers"
REPLICAS: Final = 10
DOMAIN: Final = "cluster.test"
USAGE_SECONDS: Final = 5.0
"""Between two samples of what the pods use."""
NO_RETRIES: Final[Mapping[str, Any]] = {"attempts": 0}
RETRIES: Final[Mapping[str, Any]] = {"attempts": 2, "answerTimeoutMs": 400}


def ours(
    strategy: str, retries: Mapping[str, Any] = NO_RETRIES
) -> Callable[[Names, Path], AbstractContextManager[Played]]:
    """A way to start the gateway with this strategy."""
    rag = _rag(strategy, retries)

    @contextmanager
    def start(names: Names, folder: Path) -> Iterator[Played]:
        layout, port = _layout(folder, names.port), free_port()
        ports = {SERVICE: port}
        Path(layout.haproxy_config).write_text(build_config(rag, ports, DOMAIN, layout))
        Path(layout.split_map).write_text(build_split_map(rag, ports, {}))
        Path(layout.retry_map).write_text(build_retry_map(rag, ports))
        _tell(layout, build_agent_config(rag, ports, {}, "0"))
        # Old, as that of a mounted ConfigMap: written in the second of HAProxy's start, it could be newer
        # than what HAProxy has read, and the agent would reload.
        os.utime(layout.haproxy_config, (0, 0))
        with ExitStack() as open_until_the_end:
            command = layout.haproxy_command()
            haproxy = open_until_the_end.enter_context(running(command, folder / "haproxy.log"))
            await_port("127.0.0.1", layout.health_port)
            agent = open_until_the_end.enter_context(running(_agent(layout), folder / "agent.log"))
            await_port("127.0.0.1", layout.agent_port)
            if strategy == "ResourceUsage":
                told = _Usage(names, lambda usage, n: _tell(layout, build_agent_config(rag, ports, usage, n)))
                open_until_the_end.enter_context(told)
            yield Played((f"http://127.0.0.1:{port}/",), names.set, (haproxy.pid, agent.pid))

    return start


def _rag(strategy: str, retries: Mapping[str, Any]) -> RAGDeployment:
    balancing = {"strategy": strategy, "retries": retries}
    service = {"name": SERVICE, "type": "Generation", "replicas": REPLICAS, "loadBalancing": balancing}
    return RAGDeployment.model_validate(
        {
            "metadata": {"name": "bench", "namespace": "rags"},
            "spec": {"gateway": {"enabled": True, "replicas": 1}, "services": [service]},
        }
    )


def _layout(folder: Path, dns_port: int) -> Layout:
    return Layout(
        config=PurePosixPath(folder),
        run=PurePosixPath(folder),
        log_port=free_port(SOCK_DGRAM),
        alarm_port=free_port(SOCK_DGRAM),
        agent_port=free_port(),
        health_port=free_port(),
        bind="127.0.0.1",
        nameserver=f"127.0.0.1:{dns_port}",
    )


def _agent(layout: Layout) -> tuple[object, ...]:
    return (
        *(sys.executable, "-c", "from ragops.cli.main import main; main()", "gateway-agent"),
        *("--config", layout.config, "--run", layout.run),
        *("--log-port", layout.log_port, "--alarm-port", layout.alarm_port, "--port", layout.agent_port),
    )


def _tell(layout: Layout, text: str) -> None:
    """Writes agent.json in one step, as the kubelet does."""
    path = Path(layout.agent_config)
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


class _Usage:
    """Tells the agent what the backends use, as the operator would: of its slots, the busy share."""

    def __init__(self, names: Names, tell: Callable[[Mapping[str, Mapping[str, Usage]], str], None]) -> None:
        self._names, self._tell = names, tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "_Usage":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        revision, before = 0, _busy(self._names.members)
        while not self._ended.wait(USAGE_SECONDS):
            revision += 1
            after = _busy(self._names.members)
            used = {ip: Usage((after[ip] - before[ip]) / USAGE_SECONDS, None) for ip in after if ip in before}
            self._tell({SERVICE: used}, str(revision))
            before = after


def _busy(members: tuple[Backend, ...]) -> dict[str, float]:
    """Seconds of work done for each slot, by address."""
    told = {member.ip: member.busy() for member in members}
    return {ip: busy["seconds"] / busy["capacity"] for ip, busy in told.items()}
