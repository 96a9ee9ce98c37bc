"""A backend: the pods of one variant of a service, how they are found, asked, limited and retried."""

from collections.abc import Iterator, Mapping
from typing import Final

from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.errors import QUEUE_FULL
from ragops.gateway.layout import Layout
from ragops.gateway.naming import SERVER_PREFIX, SERVER_WEIGHT, backend_name
from ragops.gateway.pool import Pool
from ragops.gateway.text import Section, word
from ragops.resources.variant import Variant

BALANCE: Final[Mapping[LoadBalancingStrategy, str]] = {
    LoadBalancingStrategy.ROUND_ROBIN: "roundrobin",
    LoadBalancingStrategy.LEAST_CONNECTIONS: "leastconn",
    LoadBalancingStrategy.RESPONSE_TIME: "leastconn",
    LoadBalancingStrategy.RESOURCE_USAGE: "leastconn",
}
"""The algorithm under each strategy; of the last two the agent's weights decide as well."""

IDEMPOTENT: Final = "{ method GET HEAD OPTIONS PUT DELETE }"
"""RFC 9110, 9.2.2. A body must fit into the buffer (16 KiB), or the request is not repeated."""
REPEATED: Final = "conn-failure empty-response response-timeout 500 502 503"
"""Not 504: a pod that has waited for another one in vain would only wait again."""

_REPEATABLE: Final = "{ var(txn.repeatable) -m bool }"
_STREAM: Final = (
    "acl stream req.hdr(accept) -m sub text/event-stream",
    "acl stream req.hdr(upgrade) -m found",
)


def backend(pool: Pool, variant: Variant, namespace: str, cluster_domain: str, layout: Layout) -> Section:
    """The backend of one variant of a service."""
    balancing = pool.balancing
    return Section(
        f"backend {word(backend_name(pool.name, variant))}",
        (
            f"balance {BALANCE[balancing.strategy]}",
            f"timeout server {balancing.response_timeout_seconds}s",
            f"timeout queue {balancing.queue_timeout_seconds}s",
            *_queue(pool),
            *_retries(pool, layout),
            *_checks(pool),
            *_servers(pool, variant, namespace, cluster_domain),
        ),
    )


def _queue(pool: Pool) -> Iterator[str]:
    """A queue without a bound would hold requests until everybody has given up. The free places are asked for
    last, since HAProxy counts them over all servers."""
    if pool.max_queue is None:
        return
    some_pod, full, busy = "{ nbsrv gt 0 }", f"{{ queue ge {pool.max_queue} }}", "{ be_conn_free le 0 }"
    yield QUEUE_FULL.rule(f"{some_pod} {full} {busy}")


def _retries(pool: Pool, layout: Layout) -> Iterator[str]:
    retries = pool.balancing.retries
    yield f"retries {retries.attempts}"
    if retries.attempts == 0:
        return
    # Each further try at another server, not only the last one.
    yield "option redispatch 1"
    if retries.budget_percent == 0:
        return
    budget = f"{{ str({word(pool.name)}),map_str_int({word(layout.retry_map)},0) eq 1 }}"
    yield f"retry-on {REPEATED}"
    yield f"http-request set-var(txn.repeatable) bool(true) if {IDEMPOTENT} {budget}"
    yield f"http-request disable-l7-retry unless {_REPEATABLE}"
    if retries.answer_timeout_ms is not None:
        yield from _STREAM
        yield f"http-request set-timeout server {retries.answer_timeout_ms}ms if {_REPEATABLE} !stream"


def _checks(pool: Pool) -> Iterator[str]:
    """The kubelet's own question, asked from here: DNS tells seconds later, and nothing of the way between.
    A server marked down gets no new requests; what is under way there goes on."""
    yield "option httpchk"
    yield f"http-check send meth GET uri {word(pool.ready_path)} ver HTTP/1.1 hdr Host {word(pool.host)}"
    yield "http-check expect status 200-399"
    yield f"timeout check {pool.service.health.timeout_seconds}s"


def _servers(pool: Pool, variant: Variant, namespace: str, cluster_domain: str) -> Iterator[str]:
    """`none`: HAProxy starts without DNS. `last`: after a reload it goes on with the addresses it had."""
    name = f"{word(pool.address_name(variant))}.{word(namespace)}.svc.{word(cluster_domain)}"
    limit = "" if pool.max_concurrent is None else f" maxconn {pool.max_concurrent}"
    yield (
        f"server-template {SERVER_PREFIX} 1-{pool.slots} {name}:{pool.pod_port}"
        " resolvers cluster resolve-prefer ipv4 init-addr last,none"
        f" check inter 2s fastinter 1s downinter 1s fall 2 rise 1 weight {SERVER_WEIGHT}{limit}"
    )
