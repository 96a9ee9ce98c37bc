"""A pool of servers with bounded concurrency behind HAProxy's algorithms, simulated event by event.

Small and deterministic: the whole loop of requests, log lines, statistics and weights in simulated time.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.logline import Line, answers, grouped
from ragops.gateway.runtime import ServerStat
from ragops.gateway.weights import Decision, Seen, decide
from ragops.gateway.weights_pool import Pool, Rules

POLL_SECONDS = 0.25
ALARM_SECONDS = 0.003
"""From the end of a failed request to the weight that answers it."""
CHECK_SECONDS = 2.0
FALL = 2


@dataclass
class Request:
    arrived: float
    sent: float = 0.0
    tried: int = 0
    ended: float | None = None
    status: int = 0


@dataclass
class Backend:
    """A server with a number of places; what finds none waits in the server."""

    places: int = 4
    factor: float = 1.0
    failing: bool = False
    stuck: bool = False
    there: bool = True
    up: bool = True
    failed_checks: int = 0
    weight: int = 100
    served: int = 0
    order: int = 0
    repeated: int = 0
    busy: int = 0
    waiting: deque[Request] = field(default_factory=deque)
    sent: list[float] = field(default_factory=list)
    ewma: float = 0.0
    ewma_at: float = 0.0


@dataclass
class Run:
    """One run of `seconds` with Poisson arrivals of `rate` a second."""

    balance: str
    rate: float = 480.0
    seconds: float = 35.0
    mean: float = 0.05
    sigma: float = 0.6
    seed: int = 1
    servers: list[Backend] = field(default_factory=lambda: [Backend() for _ in range(10)])
    faults: list[tuple[float, Callable[[list[Backend]], None]]] = field(default_factory=list)
    strategy: LoadBalancingStrategy | None = None
    rules: Rules = field(default_factory=Rules)
    retries: int = 0
    requests: list[Request] = field(default_factory=list)
    trace: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    pool: Pool = field(default_factory=Pool)
    decision: Decision | None = None

    def __post_init__(self) -> None:
        self.arrivals = random.Random(self.seed)
        self.service = random.Random(self.seed + 1)
        self.draws = random.Random(self.seed + 2)
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = count()
        self.now = 0.0
        self.alarmed = False

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (when, next(self.numbers), what))

    def run(self) -> "Run":
        for when, fault in self.faults:
            self.at(when, lambda fault=fault: self._fault(fault))
        if self.strategy is not None:
            self.at(0.0, self._poll)
        self.at(0.0, self._check)
        self.at(0.0, self._arrive)
        while self.events and self.events[0][0] < self.seconds + 10:
            self.now, _, what = heapq.heappop(self.events)
            what()
        return self

    # -- what the run shows

    @property
    def good(self) -> float:
        """Share of the requests that were answered well within a second, in per cent."""
        good = sum(1 for r in self.requests if r.status == 200 and r.ended and r.ended - r.arrived <= 1)
        return 100 * good / len(self.requests)

    @property
    def bad(self) -> list[float]:
        return [
            r.arrived for r in self.requests if not (r.status == 200 and r.ended and r.ended - r.arrived <= 1)
        ]

    def quantile(self, share: float, after: float = 0.0) -> float:
        times = sorted((r.ended or 99.0) - r.arrived for r in self.requests if r.arrived >= after)
        return times[int(len(times) * share)]

    # -- requests

    def _fault(self, fault: Callable[[list[Backend]], None]) -> None:
        fault(self.servers)
        for server in self.servers:
            self._serve(server)

    def _arrive(self) -> None:
        self.at(self.now + self.arrivals.expovariate(self.rate), self._arrive)
        if self.now < self.seconds:
            request = Request(self.now)
            self.requests.append(request)
            self._send(request, None)

    def _send(self, request: Request, avoid: Backend | None) -> None:
        server = self._choose(avoid)
        if server is None:
            self._end(request, None, 503)
            return
        request.sent = self.now
        request.tried += 1
        server.served += 1
        server.order = next(self.numbers)
        server.sent.append(self.now)
        if server.failing:
            self.at(self.now + 0.001, lambda: self._finished(server, request, 500))
            return
        server.waiting.append(request)
        self._serve(server)

    def _serve(self, server: Backend) -> None:
        while server.waiting and server.busy < server.places and not server.stuck:
            request = server.waiting.popleft()
            server.busy += 1
            self._work(server, request)

    def _work(self, server: Backend, request: Request) -> None:
        mu = -(self.sigma**2) / 2
        seconds = self.mean * server.factor * self.service.lognormvariate(mu, self.sigma)

        def done() -> None:
            if server.stuck:  # answers when it moves again
                self.at(self.now + 0.05, done)
                return
            server.busy -= 1
            self._serve(server)
            self._finished(server, request, 200)

        self.at(self.now + seconds, done)

    def _finished(self, server: Backend, request: Request, status: int) -> None:
        server.served -= 1
        server.order = next(self.numbers)
        self._learn_ewma(server, self.now - request.sent, status)
        if status == 500 and request.tried <= self.retries:
            server.repeated += 1
            self._send(request, server)
            self._alarm()
            return
        self._end(request, server, status)

    def _end(self, request: Request, server: Backend | None, status: int) -> None:
        request.ended, request.status = self.now, status
        name = f"pod{self.servers.index(server)}" if server else None
        ms = int((self.now - request.sent) * 1000)
        self.lines.append(Line("s.stable", name, ms, ms, 0, status, "--", request.tried - 1))
        if status >= 500:
            self._alarm()

    # -- the algorithms

    def _choose(self, avoid: Backend | None) -> Backend | None:
        there = [s for s in self.servers if s.there and s.up and s.weight > 0]
        there = [s for s in there if s is not avoid] or there
        if not there:
            return None
        if self.balance == "leastconn":
            return min(there, key=lambda s: ((s.served + 1) / s.weight if s.served else 0, s.order))
        if self.balance == "roundrobin":
            return min(there, key=lambda s: s.order)
        if self.balance == "peakewma":
            one, two = self.draws.choice(there), self.draws.choice(there)
            return min((one, two), key=self._cost)
        best: Backend | None = None
        for _ in range(int(self.balance.removeprefix("random"))):
            (other,) = self.draws.choices(there, [s.weight for s in there])
            if best is None or other.served * best.weight <= best.served * other.weight:
                best = other
        return best

    def _cost(self, server: Backend) -> float:
        """Peak EWMA as in Finagle: the estimate fades towards 0, with 10 s."""
        if server.ewma == 0 and server.served:
            return 1e9 + server.served
        fade = 2.718281828 ** -((self.now - server.ewma_at) / 10)
        return server.ewma * fade * (server.served + 1)

    def _learn_ewma(self, server: Backend, seconds: float, status: int) -> None:
        if status >= 500:
            seconds = 1.0
        fade = 2.718281828 ** -((self.now - server.ewma_at) / 10)
        server.ewma = seconds if seconds > server.ewma else server.ewma * fade + seconds * (1 - fade)
        server.ewma_at = self.now

    # -- HAProxy's checks and the agent

    def _check(self) -> None:
        self.at(self.now + CHECK_SECONDS, self._check)
        for server in self.servers:
            server.failed_checks = server.failed_checks + 1 if server.stuck else 0
            server.up = server.failed_checks < FALL

    def _poll(self) -> None:
        self.at(self.now + POLL_SECONDS, self._poll)
        self._decide(polled=True)

    def _alarm(self) -> None:
        if self.strategy is not None and not self.alarmed:
            self.alarmed = True
            self.at(self.now + ALARM_SECONDS, self._alarmed)

    def _alarmed(self) -> None:
        self.alarmed = False
        self._decide(polled=self.retries > 0)

    def _decide(self, polled: bool) -> None:
        assert self.strategy is not None
        lines = grouped(self.lines).get("s.stable", {})
        given = {name: answers(those) for name, those in lines.items() if name}
        self.lines.clear()
        stats = {f"pod{i}": self._stat(i, s) for i, s in enumerate(self.servers)} if polled else None
        self.decision = decide(self.strategy, self.pool, Seen(given, stats), self.now, self.rules)
        self.pool = self.decision.pool
        for name, weight in self.decision.weights.items():
            server = self.servers[int(name[3:])]
            if server.weight != weight:
                server.weight = weight
                server.order = next(self.numbers)
        self.trace.append((self.now, self.decision.weights))

    def _stat(self, number: int, server: Backend) -> ServerStat:
        return ServerStat(
            address=f"10.0.0.{number}:80" if server.there else None,
            up=server.up and server.there,
            sound=server.up and server.there and not server.failed_checks,
            check_failed=server.failed_checks > 0,
            active=server.served,
            queued=0,
            weight=server.weight,
            repeated=server.repeated,
        )
