"""The weights of a pool's servers, from what they did and from how loaded they are.

HAProxy gives each request to a server with few requests under way for its weight; this is the slower loop
around it. A decision is made some times a second, and at once when a request has failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import median

from ragops.api.traffic import LoadBalancingStrategy as Strategy
from ragops.gateway.ejection import Judgement, judge
from ragops.gateway.logline import Answers
from ragops.gateway.runtime import ServerStat
from ragops.gateway.weights_learning import (
    error_share,
    learn,
    member,
    response_seconds,
    typical_level,
    typical_seconds,
)
from ragops.gateway.weights_pool import MAX_WEIGHT, Pool, Rules, Server
from ragops.gateway.weights_usage import Sample, aimed

NATIVE = frozenset({Strategy.ROUND_ROBIN, Strategy.LEAST_CONNECTIONS})
"""What HAProxy does by itself: all weights are equal."""


@dataclass(frozen=True)
class Seen:
    """What was observed since the last decision."""

    answers: Mapping[str, Answers]
    """By server."""
    stats: Mapping[str, ServerStat] | None = None
    """None: HAProxy was not asked this time."""
    usage: Sample | None = None
    """For strategy ResourceUsage; None: there is none."""


@dataclass(frozen=True)
class Decision:
    """What HAProxy shall do."""

    pool: Pool
    revive: tuple[str, ...] = ()
    """Servers that are going down, or are down, and shall get requests: no better one is left."""
    strategy: Strategy = Strategy.RESPONSE_TIME
    """The one in force."""
    fallback: str | None = None
    """Why it is not the one that is asked for."""

    @property
    def weights(self) -> dict[str, int]:
        """By server, 0 to 256."""
        return {name: server.weight for name, server in self.pool.servers.items()}


def decide(strategy: Strategy, pool: Pool, seen: Seen, now: float, rules: Rules) -> Decision:
    """The next state of a pool, with its weights. `now`: seconds of a clock that only goes forward."""
    elapsed = now - pool.at if pool.servers else 0.0
    if seen.stats is not None:
        pool = member(pool, seen.stats, now, rules)
        pool = replace(pool, checks_failed=bool(_revive(seen.stats)))
    revive = _revive(seen.stats or {})
    pool = learn(replace(pool, at=now - elapsed), seen.answers, seen.stats, now, rules)
    if strategy in NATIVE:
        return Decision(_equal(pool, rules), revive, strategy)
    judged = judge(pool, seen.answers, now, rules)
    if judged.pool.panic:
        return Decision(_equal(judged.pool, rules), revive, strategy)
    if strategy is not Strategy.RESOURCE_USAGE:
        levels = time_levels(judged.pool, rules)
        return Decision(_weighted(judged, levels, elapsed, rules), revive, strategy)
    aim = aimed(judged.pool, seen.usage)
    judged = replace(judged, pool=aim.pool)
    in_force = Strategy.LEAST_CONNECTIONS if aim.fallback else strategy
    # Samples are rare: a small change that is not made is not made up for by the next look.
    exact = replace(rules, resolution=0.0)
    return Decision(_weighted(judged, aim.levels, elapsed, exact), revive, in_force, aim.fallback)


def time_levels(pool: Pool, rules: Rules) -> dict[str, float]:
    """The level that each server in use deserves by its effective time against the pool's median.

    Effective time = smoothed time to the first byte x (1 + 0.1 x active requests), errors penalised.
    """
    typical = typical_seconds(pool)
    in_use = {name: server for name, server in pool.usable.items() if server.ejection is None}
    if typical is None:
        return {}
    usual = error_share(in_use.values())
    effective = {name: _effective(server, typical, usual, rules) for name, server in in_use.items()}
    middle = median(effective.values())
    return {name: 1 / _beyond(seconds / middle, rules.deadband) for name, seconds in effective.items()}


def _effective(server: Server, typical: float, usual: float, rules: Rules) -> float:
    excess = max(error_share([server], rules.prior) - usual, 0.0)
    load = 1 + rules.active_factor * server.active
    return response_seconds(server, typical, rules) * load * (1 + rules.error_factor * excess)


def _beyond(ratio: float, deadband: float) -> float:
    """The part of a ratio that is not taken for chance."""
    return min(max(1.0, ratio / deadband), ratio) if ratio >= 1 else max(min(1.0, ratio * deadband), ratio)


def _weighted(judged: Judgement, targets: Mapping[str, float], elapsed: float, rules: Rules) -> Pool:
    """Moves each weight towards its target, as far as allowed in this time."""
    pool = judged.pool
    ready = _rounded(rules.start * typical_level(pool), rules)
    servers = {}
    for name, server in pool.servers.items():
        if server.address is None:
            servers[name] = server if server.weight == ready else replace(server, weight=ready)
        elif server.ejection is not None:
            probing = server.ejection.probing_since is not None
            servers[name] = replace(server, weight=1 if probing else 0)
        else:
            level = 1 / rules.base if name in judged.spared else server.level
            if name not in judged.spared and name in targets:
                change = targets[name] / level
                level *= min(max(change, rules.shrinkage**-elapsed), rules.growth**elapsed)
            weight = 0 if name in judged.resting else _coarse(server.weight, level, rules)
            if (level, weight) != (server.level, server.weight):
                server = replace(server, level=level, weight=weight)
            servers[name] = server
    return replace(pool, servers=servers)


def _coarse(before: int, level: float, rules: Rules) -> int:
    """The weight before, unless the new one differs enough, or is that of a server like the others."""
    weight = _rounded(level, rules)
    if weight == rules.base or before == 0 or abs(weight - before) > rules.resolution * max(weight, before):
        return weight
    return before


def _rounded(level: float, rules: Rules) -> int:
    return min(max(round(level * rules.base), 1), MAX_WEIGHT)


def _equal(pool: Pool, rules: Rules) -> Pool:
    servers = {
        name: replace(server, level=1.0, weight=rules.base, ejection=None)
        for name, server in pool.servers.items()
    }
    return replace(pool, servers=servers)


def _revive(stats: Mapping[str, ServerStat]) -> tuple[str, ...]:
    """The servers to use although they fail their checks: all, when not one has passed its last.

    HAProxy goes on checking them; as soon as one is well, the others are left to go down.
    """
    there = {name: stat for name, stat in stats.items() if stat.address is not None}
    return tuple(there) if all(stat.check_failed for stat in there.values()) else ()
