"""HAProxy's whole configuration, from the typed fields of a RAGDeployment."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from ragops.api.defaults import resolve
from ragops.api.rag import GatewaySpec, RAGDeployment
from ragops.gateway.backend import backend
from ragops.gateway.errors import REFUSALS
from ragops.gateway.frontend import frontend
from ragops.gateway.layout import Layout
from ragops.gateway.pool import Pool, pools
from ragops.gateway.text import Section, render, word

THREADS: Final = 2
"""HAProxy would start one a core of the node; a gateway pod has a share of one or two."""
HARD_STOP: Final = "15m"
"""After a change of the configuration, what is under way ends in the old process, but is cut after this."""
DNS_PAYLOAD: Final = 8192
"""Bytes of a DNS answer. 200 addresses take 3.3 KiB, with IPv6 5.7."""

LOG_FORMAT: Final = "%b %[srv_name] %Tr %Ta %Tw %ST %ts %rc"
"""Backend, server, milliseconds to the first byte, in all, in the queue, status, how it ended, retries.
Nothing in it comes from a client."""

HEALTH_FRONTEND: Final = "health.internal"
"""No service has a dot in its name."""


def build_config(
    rag: RAGDeployment,
    ports: Mapping[str, int],
    cluster_domain: str,
    layout: Layout | None = None,
    candidates: Collection[str] = (),
) -> str:
    """The text of haproxy.cfg. `ports`: the gateway's port of each service, by name; those with none, and a
    VectorStore, which does not speak HTTP, are not behind the gateway. `candidates`: services with a second
    workload.

    Raises UnsafeValue for a value that could be read as more than itself.
    """
    rag, layout = resolve(rag), layout or Layout()
    return render(_sections(rag, pools(rag, ports, candidates), cluster_domain, layout))


def _sections(
    rag: RAGDeployment, behind: Sequence[Pool], cluster_domain: str, layout: Layout
) -> Iterator[Section]:
    gateway = rag.spec.gateway
    yield _global(gateway, layout)
    yield _resolvers(layout)
    yield _defaults()
    yield _health(layout)
    for pool in behind:
        yield frontend(pool, gateway.tls is not None, layout)
        for variant in pool.variants:
            yield backend(pool, variant, rag.metadata.namespace, cluster_domain, layout)


def _global(gateway: GatewaySpec, layout: Layout) -> Section:
    return Section(
        "global",
        (
            # In this order: woken by the second, the agent finds the line at the first.
            f"log 127.0.0.1:{layout.log_port} format raw local0 info",
            f"log 127.0.0.1:{layout.alarm_port} format raw local0 err",
            f"stats socket {word(layout.admin_socket)} mode 600 level admin expose-fd listeners",
            "stats timeout 30s",
            f"server-state-file {word(layout.server_state)}",
            f"maxconn {gateway.max_connections}",
            f"nbthread {THREADS}",
            f"hard-stop-after {HARD_STOP}",
            # The key of tls.crt is tls.key, not tls.crt.key.
            "ssl-load-extra-del-ext",
            "ssl-default-bind-options ssl-min-ver TLSv1.2",
        ),
    )


def _resolvers(layout: Layout) -> Section:
    """A pod that is no longer listed, or an empty list (NXDOMAIN), is news that counts after seconds. A
    failure, or no answer, is a fault of the DNS: for as long as it lasts the members stay as they are."""
    named = layout.nameserver
    servers = "parse-resolv-conf" if named is None else f"nameserver dns {word(named)}"
    return Section(
        "resolvers cluster",
        (
            servers,
            f"accepted_payload_size {DNS_PAYLOAD}",
            "resolve_retries 3",
            "timeout resolve 1s",
            "timeout retry 1s",
            "hold obsolete 2s",
            "hold nx 5s",
            "hold timeout 1d",
            "hold refused 1d",
            "hold other 1d",
        ),
    )


def _defaults() -> Section:
    return Section(
        "defaults",
        (
            "mode http",
            "log global",
            "option log-separate-errors",
            f'log-format "{LOG_FORMAT}"',
            "option dontlognull",
            # Otherwise the kernel keeps a part of a stream back for up to 200 ms, to send more with it.
            "option http-no-delay",
            # Slow clients: the whole head of a request must be there in time, and each next part of a body.
            "timeout http-request 10s",
            "timeout client 60s",
            # Longer than the 90 s after which many clients give an idle connection up themselves.
            "timeout http-keep-alive 120s",
            "timeout connect 1s",
            "timeout tunnel 1h",
            # A WebSocket whose other end is gone.
            "timeout client-fin 30s",
            "timeout server-fin 30s",
            # At a reload, an idle connection ends with its next answer: a request never meets a closed one.
            "option idle-close-on-response",
            # A client that has gone away needs no answer, and waits in no queue.
            "option abortonclose",
            # Some servers read a_b and a-b as the same header: only one of them has been looked at here.
            "option http-restrict-req-hdr-names delete",
            "http-reuse safe",
            "load-server-state-from-file global",
            *(refusal.directive() for refusal in REFUSALS),
        ),
    )


def _health(layout: Layout) -> Section:
    """Answers while HAProxy takes requests; a process that stops no longer listens."""
    return Section(
        f"frontend {HEALTH_FRONTEND}",
        (
            f"bind {word(layout.bind)}:{layout.health_port}",
            "monitor-uri /healthz",
            "monitor fail if { stopping }",
            "http-request set-log-level silent",
            "http-request return status 404",
        ),
    )
