"""Where the gateway's two containers find their files, sockets and ports."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_CONFIG: Final = PurePosixPath("/etc/ragops-gateway")
_RUN: Final = PurePosixPath("/run/ragops")
_TLS: Final = PurePosixPath("/etc/ragops-gateway-tls")

TLS_OFFSET: Final = 1000
"""The port of TLS is this far above the plain one of the same service."""


@dataclass(frozen=True)
class Layout:
    """The paths and ports of one gateway pod. Tests and benchmarks use others than the defaults."""

    config: PurePosixPath = _CONFIG
    """The mounted ConfigMap, read-only."""
    run: PurePosixPath = _RUN
    """Shared by both containers, writable, in memory."""
    log_port: int = 5140
    """UDP port on 127.0.0.1 where the agent takes HAProxy's log."""
    alarm_port: int = 5141
    """UDP port on 127.0.0.1 where the lines of errors and retries arrive once more: they wake the agent."""
    agent_port: int = 8405
    """TCP port of the agent: its health, its metrics and its figures."""
    health_port: int = 8404
    """TCP port where HAProxy itself says that it runs: GET /healthz."""
    tls: PurePosixPath = _TLS
    """The mounted Secret with tls.crt and tls.key, where the gateway has one."""
    bind: str = "*"
    """The address that HAProxy listens on; `*` is every IPv4 address."""
    nameserver: str | None = None
    """`address:port` of the DNS server. None: those of the pod's resolv.conf."""

    @property
    def haproxy_config(self) -> PurePosixPath:
        """HAProxy's whole configuration."""
        return self.config / "haproxy.cfg"

    @property
    def split_map(self) -> PurePosixPath:
        """`<service> <percent>`: the share of a rollout's candidate. HAProxy loads it at its start, and the
        runtime API knows it by this path: `set map <path> <service> <percent>`."""
        return self.config / "split.map"

    @property
    def retry_map(self) -> PurePosixPath:
        """`<service> <0 or 1>`: whether a try that reached a server may be repeated. The file says 0 of every
        service, so a gateway without its agent does not retry beyond its budget; the agent sets 1 while the
        budget lasts: `set map <path> <service> 1`. Tries that reached no server are always repeated."""
        return self.config / "retry.map"

    @property
    def agent_config(self) -> PurePosixPath:
        """What the agent must know."""
        return self.config / "agent.json"

    @property
    def admin_socket(self) -> PurePosixPath:
        """HAProxy's runtime API, level admin."""
        return self.run / "admin.sock"

    @property
    def master_socket(self) -> PurePosixPath:
        """The command line of HAProxy's master process."""
        return self.run / "master.sock"

    @property
    def server_state(self) -> PurePosixPath:
        """The answer to `show servers state`, written before each reload: addresses and weights survive."""
        return self.run / "server-state"

    @property
    def certificate(self) -> PurePosixPath:
        """The certificate; its key stands beside it, as tls.key. HAProxy reads both when it starts."""
        return self.tls / "tls.crt"

    def haproxy_command(self, binary: str = "haproxy") -> tuple[str, ...]:
        """The command line of the container `haproxy`."""
        return (binary, "-W", "-db", "-S", str(self.master_socket), "-f", str(self.haproxy_config))
