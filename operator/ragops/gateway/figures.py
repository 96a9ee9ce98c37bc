"""What one gateway has measured: counters since the agent's start, by service, variant and pod.

The operator takes differences of two readings, and adds up those of all gateways of a RAGDeployment.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ragops.gateway.logline import Line, Lines
from ragops.gateway.naming import parse_backend
from ragops.gateway.weights import Decision
from ragops.gateway.weights_pool import Server
from ragops.resources.variant import Variant

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histograms of the times to the first byte, in seconds; the last bucket has none."""


@dataclass(slots=True)
class Counters:
    """Of requests that have ended."""

    requests: int = 0
    errors: int = 0
    """Answers of 500 and more, and requests that failed without one."""
    retries: int = 0
    seconds: float = 0.0
    """Sum of the times to the first byte."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    """Answers by their time, each counted in one bucket."""

    def count(self, lines: Iterable[Line]) -> None:
        """Counts requests."""
        for line in lines:
            self.requests += 1
            self.retries += line.retries
            if line.error:
                self.errors += 1
            if line.first_byte_ms >= 0:
                seconds = line.first_byte_ms / 1000
                self.seconds += seconds
                self.buckets[bisect_left(BUCKETS, seconds)] += 1

    def add(self, other: "Counters") -> None:
        """Adds what another one has counted."""
        self.requests += other.requests
        self.errors += other.errors
        self.retries += other.retries
        self.seconds += other.seconds
        self.buckets = [one + two for one, two in zip(self.buckets, other.buckets, strict=True)]

    @property
    def answers(self) -> int:
        """Requests with an answer: those that have a time."""
        return sum(self.buckets)


@dataclass(slots=True)
class Arrivals:
    """HAProxy's own count of the requests of a service; it starts anew with each process of HAProxy."""

    total: int = 0
    last: int | None = None

    def look(self, counted: int) -> None:
        """Adds what has come since the last look."""
        if self.last is not None:
            self.total += counted - self.last if counted >= self.last else counted
        self.last = counted


@dataclass(frozen=True)
class VariantFigures:
    """One variant of a service."""

    variant: Variant
    counters: Counters
    queue: int
    """Requests that wait for any of its pods."""
    decision: Decision
    pods: Mapping[str, Counters]
    """By `address:port`."""

    @property
    def panic(self) -> bool:
        """No server is good: all are used all the same."""
        return self.decision.pool.panic or self.decision.pool.checks_failed

    @property
    def servers(self) -> Iterator[Server]:
        """Of the slots that are in use."""
        return (server for server in self.decision.pool.servers.values() if server.address is not None)


class Ledger:
    """All counters. Only services and pods that exist are kept."""

    def __init__(self) -> None:
        self.rejected: dict[str, int] = {}
        """Requests that were refused before they had a backend, by service."""
        self.arrivals: dict[str, Arrivals] = {}
        self._others: dict[tuple[str, Variant], Counters] = {}
        """Requests that reached no pod, and those of pods that are gone."""
        self._pods: dict[tuple[str, Variant, str], Counters] = {}

    def add(self, lines: Lines, servers: Mapping[str, Mapping[str, Server]]) -> None:
        """Counts requests. `servers`: by backend and slot."""
        for name, by_server in lines.items():
            backend = parse_backend(name)
            for slot, those in by_server.items():
                if backend is None:
                    self.rejected[name] = self.rejected.get(name, 0) + len(those)
                    continue
                server = servers.get(name, {}).get(slot or "")
                address = server.address if server else None
                if address is None:
                    self._others.setdefault(backend, Counters()).count(those)
                else:
                    self._pods.setdefault((*backend, address), Counters()).count(those)

    def arrived(self, counted: Mapping[str, int]) -> None:
        """HAProxy's counters of requests, by service."""
        for service, requests in counted.items():
            self.arrivals.setdefault(service, Arrivals()).look(requests)

    def keep(self, services: Collection[str], pods: Collection[tuple[str, Variant, str]]) -> None:
        """Forgets all others; what pods have counted stays in their variant."""
        self.rejected = {name: value for name, value in self.rejected.items() if name in services}
        self.arrivals = {name: value for name, value in self.arrivals.items() if name in services}
        self._others = {key: value for key, value in self._others.items() if key[0] in services}
        for key in [key for key in self._pods if key not in pods]:
            gone = self._pods.pop(key)
            if key[0] in services:
                self._others.setdefault(key[:2], Counters()).add(gone)

    def variant(self, service: str, variant: Variant, queue: int, decision: Decision) -> VariantFigures:
        """What is known of a variant."""
        pods = {
            server.address: self._pods.get((service, variant, server.address), Counters())
            for server in decision.pool.servers.values()
            if server.address is not None
        }
        total = Counters()
        for counters in (self._others.get((service, variant), Counters()), *pods.values()):
            total.add(counters)
        return VariantFigures(variant, total, queue, decision, pods)


def variant_json(figures: VariantFigures) -> dict[str, Any]:
    """A variant in the answer to /v1/figures."""
    return {
        "name": figures.variant.value,
        "strategyInForce": figures.decision.strategy.value,
        "fallbackReason": figures.decision.fallback,
        "panic": figures.panic,
        "queue": figures.queue,
        **_counters_json(figures.counters),
        "pods": [
            _pod_json(server, figures.pods[server.address]) for server in figures.servers if server.address
        ],
    }


def _pod_json(server: Server, counters: Counters) -> dict[str, Any]:
    address, _, port = (server.address or "").rpartition(":")
    return {
        "address": address,
        "port": int(port) if port.isdecimal() else None,
        "up": server.up,
        "active": server.under_way,
        "queue": server.queued,
        "weight": server.weight,
        "ejected": server.ejection.cause.value if server.ejection else None,
        **_counters_json(counters),
    }


def _counters_json(counters: Counters) -> dict[str, Any]:
    return {
        "requests": counters.requests,
        "errors": counters.errors,
        "retries": counters.retries,
        "responseSeconds": {
            "sum": round(counters.seconds, 3),
            "count": counters.answers,
            "buckets": counters.buckets,
        },
    }
