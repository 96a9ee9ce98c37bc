"""A frontend: what happens to each request of a service before it has a backend."""

from collections.abc import Iterator
from typing import Final
from zlib import crc32

from ragops.api.traffic import ClientRateLimitSpec
from ragops.gateway.errors import RATE_LIMITED, REQUEST_ID
from ragops.gateway.layout import TLS_OFFSET, Layout
from ragops.gateway.naming import backend_name, frontend_name
from ragops.gateway.pool import Pool
from ragops.gateway.text import Section, word
from ragops.resources.variant import Variant

CLIENTS: Final = "100k"
"""Clients that a rate limit remembers; the one that was seen longest ago goes first."""

_ID: Final = f"var({REQUEST_ID})"
_OFFERED: Final = "req.fhdr(x-request-id)"
# The same form that the services accept. Two of them are none: it would not be clear which one counts.
_WELL_FORMED: Final = (
    "{ req.fhdr_cnt(x-request-id) eq 1 } { req.fhdr(x-request-id) -m reg ^[A-Za-z0-9._:/+=-]{1,128}$ }"
)


def frontend(pool: Pool, tls: bool, layout: Layout) -> Section:
    """The frontend of one service."""
    return Section(
        f"frontend {word(frontend_name(pool.name))}",
        (
            *_binds(pool, tls, layout),
            *_request_id(),
            *_limit(pool.balancing.rate_limit),
            *_forwarded(),
            *_split(pool, layout),
            f"default_backend {word(backend_name(pool.name, Variant.STABLE))}",
        ),
    )


def _binds(pool: Pool, tls: bool, layout: Layout) -> Iterator[str]:
    # HTTP/1.1 alone: otherwise a client may begin HTTP/2 on a plain connection.
    yield f"bind {word(layout.bind)}:{pool.port} proto h1"
    if tls:
        yield f"bind {word(layout.bind)}:{pool.port + TLS_OFFSET} proto h1 ssl crt {word(layout.certificate)}"


def _request_id() -> Iterator[str]:
    yield f"http-request set-var({REQUEST_ID}) {_OFFERED} if {_WELL_FORMED}"
    yield f"http-request set-var({REQUEST_ID}) uuid() unless {{ {_ID} -m found }}"
    yield f"http-request set-header X-Request-Id %[{_ID}]"
    yield f"http-after-response set-header X-Request-Id %[{_ID}] if {{ {_ID} -m found }}"


def _forwarded() -> Iterator[str]:
    """What a client says about itself or about proxies before is dropped: nobody can tell it from a lie."""
    yield "http-request del-header Forwarded"
    yield "http-request del-header X-Real-IP"
    yield "http-request del-header X-Forwarded- -m beg"
    yield "http-request set-header X-Forwarded-For %[src]"
    yield "http-request set-header X-Forwarded-Proto https if { ssl_fc }"
    yield "http-request set-header X-Forwarded-Proto http unless { ssl_fc }"


def _limit(limit: ClientRateLimitSpec | None) -> Iterator[str]:
    """Only requests that pass are counted: a client that does not slow down still gets its share."""
    if limit is None:
        return
    # A digest has one size whatever the header holds, and keeps keys out of the table.
    yield f"stick-table type binary len 20 size {CLIENTS} expire 10s store gpc0,gpc0_rate(1s)"
    if limit.header is not None:
        value = f"req.fhdr({word(limit.header)})"
        yield f"http-request track-sc0 {value},sha1 if {{ {value} -m len gt 0 }}"
        yield f"http-request track-sc0 src,sha1 unless {{ {value} -m len gt 0 }}"
    else:
        yield "http-request track-sc0 src,sha1"
    yield RATE_LIMITED.rule(f"{{ sc_gpc0_rate(0) ge {limit.requests_per_second} }}")
    yield "http-request sc-inc-gpc0(0)"


def _split(pool: Pool, layout: Layout) -> Iterator[str]:
    """Each request draws a number from 0 to 99; below the share it goes to the candidate. A backend without a
    server that takes requests leaves them to the other one, but nothing goes to a candidate with no share."""
    if Variant.CANDIDATE not in pool.variants:
        return
    candidate = word(backend_name(pool.name, Variant.CANDIDATE))
    stable = word(backend_name(pool.name, Variant.STABLE))
    share = f"str({word(pool.name)}),map_str_int({word(layout.split_map)},0)"
    yield f"http-request set-var(txn.share) {share}"
    yield from _draw(pool)
    usable = f"{{ nbsrv({candidate}) gt 0 }}"
    yield f"use_backend {candidate} if {{ var(txn.draw),sub(txn.share) lt 0 }} {usable}"
    yield f"use_backend {candidate} if {{ var(txn.share) -m int gt 0 }} !{{ nbsrv({stable}) gt 0 }} {usable}"


def _draw(pool: Pool) -> Iterator[str]:
    canary = pool.service.rollout.canary
    if canary is None or (canary.sticky_header is None and canary.sticky_cookie is None):
        yield "http-request set-var(txn.draw) rand(100)"
        return
    # The service's own seed: otherwise the same clients would be the first at every service's canary.
    number = f"var(txn.key),xxh32({crc32(pool.name.encode()) & 0x7FFFFFFF}),mod(100)"
    if canary.sticky_header is not None:
        yield f"http-request set-var(txn.key) req.fhdr({word(canary.sticky_header)})"
        yield f"http-request set-var(txn.draw) {number} if {{ var(txn.key) -m len gt 0 }}"
        yield "http-request set-var(txn.draw) rand(100) unless { var(txn.draw) -m found }"
        return
    cookie = word(canary.sticky_cookie)
    yield f"http-request set-var(txn.key) req.cook({cookie})"
    yield "http-request set-var(txn.new_key) uuid() unless { var(txn.key) -m len gt 0 }"
    yield "http-request set-var(txn.key) var(txn.new_key) if { var(txn.new_key) -m found }"
    yield f"http-request set-var(txn.draw) {number}"
    given = f'"{cookie}=%[var(txn.new_key)]; Path=/; HttpOnly; SameSite=Lax"'
    yield f"http-after-response add-header Set-Cookie {given} if {{ var(txn.new_key) -m found }}"
