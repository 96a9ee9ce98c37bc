"""Pools for the tests of weights: servers that answer as told, look by look."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ragops.api.traffic import LoadBalancingStrategy
from ragops.gateway.logline import Answers
from ragops.gateway.runtime import ServerStat
from ragops.gateway.weights import Decision, Seen, decide
from ragops.gateway.weights_pool import Pool, Rules
from ragops.gateway.weights_usage import Sample

LOOK_SECONDS = 0.25


def stat(address: str | None = "10.0.0.1:80", **fields: object) -> ServerStat:
    values = {
        "up": address is not None,
        "sound": address is not None,
        "check_failed": False,
        "active": 1,
        "queued": 0,
        "weight": 100,
        "repeated": 0,
        **fields,
    }
    return ServerStat(address=address, **values)  # type: ignore[arg-type]


def good(*seconds: float) -> Answers:
    return Answers(seconds=list(seconds), held=list(seconds))


def failures(count: int) -> Answers:
    return Answers(failed=count, held=[0.001] * count)


@dataclass
class Watch:
    """Decisions one after the other."""

    count: int = 6
    strategy: LoadBalancingStrategy = LoadBalancingStrategy.RESPONSE_TIME
    rules: Rules = field(default_factory=Rules)
    now: float = 1000.0
    pool: Pool = field(default_factory=Pool)
    stats: dict[str, ServerStat] = field(default_factory=dict)
    decision: Decision | None = None

    def __post_init__(self) -> None:
        for number in range(1, self.count + 1):
            self.stats[f"pod{number}"] = stat(f"10.0.0.{number}:80")

    def look(
        self,
        answers: Mapping[str, Answers] | None = None,
        *,
        usage: Sample | None = None,
        seconds: float = LOOK_SECONDS,
        asked: bool = True,
    ) -> dict[str, int]:
        """The weights after one look."""
        self.now += seconds
        seen = Seen(answers or {}, dict(self.stats) if asked else None, usage)
        self.decision = decide(self.strategy, self.pool, seen, self.now, self.rules)
        self.pool = self.decision.pool
        return self.decision.weights

    def run(self, seconds: float, **differing: Answers) -> dict[str, int]:
        """Looks for so long; all servers that are there answer in 50 ms, but those that differ."""
        weights: dict[str, int] = {}
        for _ in range(round(seconds / LOOK_SECONDS)):
            usual = {name: good(*[0.05] * 5) for name, one in self.stats.items() if one.up}
            weights = self.look({**usual, **differing})
        return weights

    def ejected(self) -> dict[str, str]:
        """Names and causes."""
        return {
            name: server.ejection.cause.value for name, server in self.pool.servers.items() if server.ejection
        }
