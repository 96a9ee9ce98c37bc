"""Weights, retries and figures of all services, as HAProxy's log and statistics demand."""

import logging
import time
from collections.abc import Iterator, Mapping

from ragops.agent.haproxy import CommandLine, HAProxyError
from ragops.agent.logs import LogSocket
from ragops.agent.route import Route
from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.agent_config import AgentConfig, ServiceConfig
from ragops.gateway.figures import Ledger, VariantFigures
from ragops.gateway.logline import Line, Lines, answers, grouped
from ragops.gateway.naming import parse_backend
from ragops.gateway.retries import Budget
from ragops.gateway.runtime import (
    SERVERS,
    RuntimeAnswerError,
    ServerStat,
    parse_servers,
    set_health_up,
    set_map,
    set_weight,
)
from ragops.gateway.weights import Decision, Seen, decide
from ragops.gateway.weights_pool import Pool, Rules, Server
from ragops.gateway.weights_usage import Sample
from ragops.resources.variant import Variant

logger = logging.getLogger(__name__)

Stats = Mapping[str, Mapping[str, ServerStat]]


class Balancing:
    """The state of all pools."""

    def __init__(self, runtime: CommandLine, logs: LogSocket, retry_map: str, rules: Rules) -> None:
        self._runtime = runtime
        self._logs = logs
        self._retry_map = retry_map
        self._rules = rules
        self._budgets: dict[str, Budget] = {}
        self._decisions: dict[str, Decision] = {}
        self._retries: dict[str, str] = {}
        self.ledger = Ledger()
        self.queues: Mapping[str, int] = {}
        """Requests that wait, by backend."""
        self.config: AgentConfig | None = None
        self.shares: Mapping[str, int] = {}
        """Per cent of the requests that go to the candidate, by service."""
        self.asked_at = time.monotonic()
        """When the operator last asked for the figures; before that, when the agent began."""
        self.busy = False
        """There was something to look at, at the last look."""

    async def look(self, ask: bool) -> bool:
        """Takes what has come and acts on it; `ask`: HAProxy's statistics too. Tells whether it did anything.

        Raises HAProxyError.
        """
        text = await self._runtime.ask(SERVERS) if ask else None
        lines = self._logs.drain()  # after the statistics: what they call under way may have ended since
        if text is None and any(line.retries for line in lines):
            text = await self._runtime.ask(
                SERVERS
            )  # only they know which server a repeated try has failed on
        by_backend = grouped(lines)
        self.ledger.add(by_backend, {name: one.pool.servers for name, one in self._decisions.items()})
        try:
            stats: Stats | None = None if text is None else parse_servers(text)
        except RuntimeAnswerError as error:
            raise HAProxyError(str(error)) from error
        changes = list(self._decide(by_backend, stats))
        changes += self._budget(lines)
        self.busy = bool(lines) or any(
            server.under_way
            for decision in self._decisions.values()
            for server in decision.pool.servers.values()
        )
        await self._runtime.tell(changes)
        return bool(changes)

    def retry_entries(self) -> Mapping[str, str]:
        """What retry.map must say, by service."""
        return self._retries

    def figures(self, service: str) -> list[VariantFigures]:
        """Those of the variants of a service."""
        found = []
        for backend, decision in self._decisions.items():
            name, variant = _parsed(backend)
            if name == service:
                queue = self.queues.get(backend, 0)
                found.append(self.ledger.variant(service, variant, queue, decision))
        return found

    def route(self, service: str) -> Route:
        """The pods of a service that take requests."""
        good = {
            one.variant: [s.address for s in one.servers if s.address and s.up and s.ejection is None]
            for one in self.figures(service)
        }
        stable, candidate = good.get(Variant.STABLE, []), good.get(Variant.CANDIDATE, [])
        return Route(service, self.shares.get(service, 0), stable, candidate)

    def allows_retries(self, service: str) -> bool:
        """Whether the service's requests may be repeated now."""
        return self._retries.get(service) == "1"

    def _decide(self, lines: Lines, stats: Stats | None) -> Iterator[str]:
        """The commands that bring HAProxy where the decisions want it."""
        now = time.monotonic()
        if stats is not None:
            self._forget(stats)
        for backend in lines if stats is None else stats:
            service = self._service(backend)
            if service is None:
                continue
            there = stats[backend] if stats is not None else None
            before = self._decisions.get(backend)
            if before is None and there is None:
                continue  # an answer before the first look at the servers
            given = {name: answers(those) for name, those in lines.get(backend, {}).items() if name}
            seen = Seen(given, there, self.sample(service, now))
            pool = before.pool if before else Pool(at=now)
            decision = decide(service.strategy, pool, seen, now, self._rules)
            self._decisions[backend] = decision
            yield from self._commands(backend, decision, there, pool.servers)

    def _commands(
        self,
        backend: str,
        decision: Decision,
        stats: Mapping[str, ServerStat] | None,
        before: Mapping[str, Server],
    ) -> Iterator[str]:
        for name in decision.revive:
            yield set_health_up(backend, name)
        for name, server in decision.pool.servers.items():
            has = stats[name].weight if stats is not None else before[name].weight
            if server.weight != has:
                yield set_weight(backend, name, server.weight)
            was = before.get(name)
            if server.ejection and (was is None or was.ejection is None):
                logger.info("%s %s is ejected: %s", backend, server.address, server.ejection.cause)
            elif was is not None and was.ejection and server.ejection is None:
                logger.info("%s %s is back", backend, server.address)

    def _budget(self, lines: list[Line]) -> Iterator[str]:
        """Switches retries on while there is a budget for them."""
        if self.config is None:
            return
        now = time.monotonic()
        requests: dict[str, int] = {}
        retries: dict[str, int] = {}
        for line in lines:
            service = line.backend.rpartition(".")[0]
            requests[service] = requests.get(service, 0) + 1
            retries[service] = retries.get(service, 0) + line.retries
        for name, config in self.config.services.items():
            budget = self._budgets.get(name, Budget(at=now))
            self._budgets[name] = budget = budget.spend(requests.get(name, 0), retries.get(name, 0), now)
            entry = "1" if budget.allows(config.retry_budget_percent) else "0"
            if self._retries.get(name) != entry:
                self._retries[name] = entry
                yield set_map(self._retry_map, name, entry)

    def sample(self, service: ServiceConfig, now: float) -> Sample | None:
        """The usage of the pods."""
        if service.strategy is not LoadBalancingStrategy.RESOURCE_USAGE or service.usage is None:
            return None
        return Sample(service.usage, silent=now - self.asked_at)

    def _service(self, backend: str) -> ServiceConfig | None:
        parsed = parse_backend(backend)
        if parsed is None or self.config is None:
            return None
        return self.config.services.get(parsed[0])

    def _forget(self, stats: Stats) -> None:
        """Drops what HAProxy has no more."""
        services = self.config.services if self.config else {}
        self._decisions = {name: value for name, value in self._decisions.items() if name in stats}
        self._budgets = {name: value for name, value in self._budgets.items() if name in services}
        self._retries = {name: value for name, value in self._retries.items() if name in services}
        pods = {
            (*_parsed(backend), server.address)
            for backend, decision in self._decisions.items()
            for server in decision.pool.servers.values()
            if server.address is not None
        }
        self.ledger.keep(services, pods)


def _parsed(backend: str) -> tuple[str, Variant]:
    parsed = parse_backend(backend)
    assert parsed is not None, backend
    return parsed
