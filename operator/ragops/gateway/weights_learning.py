"""What the agent learns of the servers: who is there, how fast they answer, how often they fail."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from statistics import median

from ragops.gateway.logline import Answers
from ragops.gateway.runtime import ServerStat
from ragops.gateway.weights_pool import Busy, Cause, Ejection, Held, Pool, Rules, Server

_NOTHING = Answers()


def member(pool: Pool, stats: Mapping[str, ServerStat], now: float, rules: Rules) -> Pool:
    """The pool with the servers that HAProxy has now.

    Servers of a pool seen for the first time keep their weights, relative to the highest. Later ones are
    newcomers: nothing is known of them, and their weight begins low.
    """
    if not pool.servers:
        highest = max((stat.weight for stat in stats.values()), default=0) or 1
        first = {name: _first_seen(stat, highest, now, rules) for name, stat in stats.items()}
        return replace(pool, servers=first)
    start = rules.start * typical_level(pool)
    found = {}
    for name, stat in stats.items():
        before = pool.servers.get(name)
        if before is None or (before.address, before.up) != (stat.address, stat.up):
            found[name] = _changed(before, stat, start, now)
        elif before.sound != stat.sound:
            found[name] = replace(before, sound=stat.sound)
        else:
            found[name] = before
    return replace(pool, servers=found)


def typical_level(pool: Pool) -> float:
    """The median level of the servers in use; 1 without any."""
    levels = [server.level for server in pool.usable.values() if server.ejection is None]
    return median(levels) if levels else 1.0


def _first_seen(stat: ServerStat, highest: int, now: float, rules: Rules) -> Server:
    server = _server(stat, stat.weight / highest, stat.weight)
    if stat.weight > 0 or stat.address is None:
        return server
    # An earlier agent has ejected it, and has taken the reason with it.
    until = now + rules.probe_after
    return replace(server, level=rules.start, ejection=Ejection(Cause.FAILING, now, rules.probe_after, until))


def _changed(before: Server | None, stat: ServerStat, start: float, now: float) -> Server:
    """A server that is new in its slot, or has gone down, or is back."""
    if before is None or before.address != stat.address:
        return _server(stat, start, stat.weight)
    if not stat.up:
        return replace(before, up=False, sound=False, busy=None)
    ejection = before.ejection
    fresh = _server(stat, start, before.weight)
    # HAProxy's checks have found it well: that is worth a probe, whatever its time.
    return replace(fresh, wait=before.wait, ejection=replace(ejection, until=now) if ejection else None)


def _server(stat: ServerStat, level: float, weight: int) -> Server:
    return Server(stat.address, level, weight, stat.up, stat.sound, repeated=stat.repeated)


def learn(
    pool: Pool,
    answers: Mapping[str, Answers],
    stats: Mapping[str, ServerStat] | None,
    now: float,
    rules: Rules,
) -> Pool:
    """The pool after these answers. `stats` None: HAProxy was not asked this time."""
    fade = _fade(pool, now, rules.half_life)
    evidence_fade = _fade(pool, now, rules.evidence_half_life)
    ended = pool.ended + sum(len(answer.held) for answer in answers.values())
    typical = typical_seconds(pool)
    servers = {}
    for name, server in pool.servers.items():
        if server.address is None:
            servers[name] = server
            continue
        answer, stat = answers.get(name, _NOTHING), stats.get(name) if stats is not None else None
        failed = answer.failed + _repeated(server, stat) + _timeouts(answer, typical, rules)
        servers[name] = replace(
            server,
            answers=server.answers * fade + len(answer.seconds),
            seconds=server.seconds * fade + sum(answer.seconds),
            failures=server.failures * fade + failed,
            failed_at=now if failed else server.failed_at,
            evidence=server.evidence * evidence_fade,
            busy=_busy(server, answer, stat, ended, now),
            active=server.active * fade + stat.active * (1 - fade) if stat else server.active,
            under_way=stat.active if stat else server.under_way,
            queued=stat.queued if stat else server.queued,
            repeated=stat.repeated if stat else server.repeated,
        )
    learned = replace(
        pool,
        servers=servers,
        at=now,
        held=_held(pool, answers, _fade(pool, now, rules.held_half_life)),
        ended=ended,
    )
    return _with_evidence(pool, learned, fade, rules)


def typical_seconds(pool: Pool) -> float | None:
    """The median of the servers' mean times to the first byte; None: there are too few answers."""
    return _median(
        server.seconds / server.answers
        for server in pool.usable.values()
        if server.ejection is None and server.answers >= 1
    )


def response_seconds(server: Server, typical: float, rules: Rules) -> float:
    """Its mean time to the first byte, drawn towards the pool's median where there are few answers."""
    return (server.seconds + rules.prior * typical) / (server.answers + rules.prior)


def error_share(servers: Iterable[Server], credit: float = 0.0) -> float:
    """Share of failures, with so many good answers credited."""
    failures = answers = 0.0
    for server in servers:
        failures, answers = failures + server.failures, answers + server.answers
    return failures / max(failures + answers + credit, 1e-9)


def _with_evidence(before: Pool, pool: Pool, fade: float, rules: Rules) -> Pool:
    """Adds what the failures and answers of this look say: a CUSUM test of each server against the others.

    Source: E. S. Page, Continuous Inspection Schemes, Biometrika 41 (1954).
    """
    usable = pool.usable
    failures, answers = (
        sum(s.failures for s in usable.values()),
        sum(s.answers for s in usable.values()),
    )
    servers = dict(pool.servers)
    for name, server in usable.items():
        old = before.servers[name]
        failed, good = server.failures - old.failures * fade, server.answers - old.answers * fade
        if failed < 0.5 and not server.evidence:
            continue
        others = (failures - server.failures) / (failures + answers - server.failures - server.answers + 1)
        expected = min(max(others, rules.error_floor), 0.8 * rules.fails_at)
        gain = failed * math.log(rules.fails_at / expected)
        loss = good * math.log((1 - expected) / (1 - rules.fails_at))
        evidence = min(max(server.evidence - loss, 0.0) + gain, 2 * rules.failing)
        servers[name] = replace(server, evidence=evidence)
    return replace(pool, servers=servers)


def _timeouts(answer: Answers, typical: float | None, rules: Rules) -> int:
    """Clients that left after they had waited long: longer than for what would be a slow answer."""
    if typical is None:
        return 0
    return sum(1 for seconds in answer.abandoned if seconds > rules.slow * typical)


def _repeated(server: Server, stat: ServerStat | None) -> int:
    if stat is None or server.repeated is None:
        return 0
    return max(stat.repeated - server.repeated, 0)  # below 0: HAProxy counts from 0 again


def _busy(server: Server, answer: Answers, stat: ServerStat | None, ended: float, now: float) -> Busy | None:
    if stat is not None and stat.active == 0:
        return None
    if answer.held or (server.busy is None and stat is not None):
        return Busy(now, ended)
    return server.busy


def _held(pool: Pool, answers: Mapping[str, Answers], fade: float) -> Held:
    """Of the servers in use only: the long times of a stuck one must not make the next one look normal."""
    times = [
        seconds
        for name, answer in answers.items()
        if (server := pool.servers.get(name)) is not None and server.ejection is None
        for seconds in answer.held
    ]
    return Held(
        pool.held.count * fade + len(times),
        pool.held.seconds * fade + sum(times),
        pool.held.squares * fade + sum(seconds * seconds for seconds in times),
    )


def _fade(pool: Pool, now: float, half_life: float) -> float:
    """What is left by now of a sum at the last look."""
    left: float = 0.5 ** ((now - pool.at) / half_life)
    return left


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None
