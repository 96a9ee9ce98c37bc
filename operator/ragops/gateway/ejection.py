"""Which servers get nothing for a while: outliers against their pool, never more than a third of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ragops.gateway.logline import Answers
from ragops.gateway.weights_learning import response_seconds, typical_seconds
from ragops.gateway.weights_pool import Cause, Ejection, Pool, Rules, Server

_NOTHING = Answers()


@dataclass(frozen=True)
class Judgement:
    """A pool whose outliers are ejected, as far as allowed."""

    pool: Pool
    spared: frozenset[str] = frozenset()
    """Servers as bad as the ejected, for which there was no room: they get as little as possible."""
    resting: frozenset[str] = frozenset()
    """Those of them that have just failed: they get nothing for a moment."""


def judge(pool: Pool, answers: Mapping[str, Answers], now: float, rules: Rules) -> Judgement:
    """Ejects, probes and brings back."""
    usable = pool.usable
    if _all_bad(usable, rules):
        released = {name: replace(server, ejection=None) for name, server in pool.servers.items()}
        return Judgement(replace(pool, servers=released, panic=True))
    pool = replace(pool, panic=False)
    typical = typical_seconds(pool)
    servers = dict(pool.servers)
    causes = _causes(pool, typical, now, rules)
    for name, server in usable.items():
        if server.ejection is not None:
            answer = answers.get(name, _NOTHING)
            servers[name] = _probed(server, answer, causes.get(name), typical, now, rules)
        elif name in causes:
            servers[name] = _eject(server, causes[name], now, rules)
    wanted = [name for name in usable if servers[name].ejection is not None]
    wanted.sort(key=lambda name: _severity(servers[name]))
    spared = wanted[int(len(usable) * rules.eject_at_most + 1e-9) :]
    for name in spared:
        servers[name] = replace(usable[name], ejection=None)
    resting = _resting({name: servers[name] for name in usable}, spared, now, rules)
    return Judgement(replace(pool, servers=servers), frozenset(spared), resting)


def _resting(usable: Mapping[str, Server], spared: Sequence[str], now: float, rules: Rules) -> frozenset[str]:
    """Nobody, where that would leave no server."""
    if all(name in spared or server.ejection is not None for name, server in usable.items()):
        return frozenset()
    return frozenset(
        name
        for name in spared
        if usable[name].evidence >= rules.failing and now - (usable[name].failed_at or 0.0) < rules.rest
    )


def _all_bad(usable: Mapping[str, Server], rules: Rules) -> bool:
    """No server in use answers more requests well than badly, and none has been ejected for less."""
    in_use = [server for server in usable.values() if server.ejection is None]
    return bool(in_use) and all(
        server.failures >= 1.5 and server.failures > rules.fails_at * (server.failures + server.answers)
        for server in in_use
    )


def _severity(server: Server) -> tuple[int, float]:
    assert server.ejection is not None
    return list(Cause).index(server.ejection.cause), server.ejection.since


def _causes(pool: Pool, typical: float | None, now: float, rules: Rules) -> dict[str, Cause]:
    """The servers that are outliers at this moment."""
    usable = pool.usable
    suspects = sum(1 for server in usable.values() if server.evidence >= rules.failing / 2)
    # What most of them do at once comes from the requests, or from something behind all of them.
    failing_alone = 2 * suspects <= len(usable)
    causes = {}
    for name, server in usable.items():
        if server.evidence >= rules.failing and failing_alone:
            causes[name] = Cause.FAILING
        elif _stuck(pool, server, now, rules):
            causes[name] = Cause.STUCK
        elif server.ejection is None and _slow(server, typical, rules):
            causes[name] = Cause.SLOW
    out = {name for name, server in usable.items() if server.ejection is not None}
    if 2 * len(out | causes.keys()) <= len(usable):
        return causes
    # The few that are left would have all requests, and soon be as slow: outliers are a minority.
    return {name: cause for name, cause in causes.items() if cause is Cause.FAILING or name in out}


def _stuck(pool: Pool, server: Server, now: float, rules: Rules) -> bool:
    """It has requests and answers none, for a time in which it should have, and in which others did."""
    residual = pool.held.residual
    if server.busy is None or residual is None:
        return False
    waited = now - server.busy.since
    return (
        waited >= rules.stuck_seconds
        and waited * max(server.under_way, 1) > rules.stuck * residual
        and pool.ended - server.busy.others >= rules.stuck_others
    )


def _slow(server: Server, typical: float | None, rules: Rules) -> bool:
    if typical is None or server.answers < 2:
        return False
    return response_seconds(server, typical, rules) > max(rules.slow * typical, rules.slow_seconds)


def _eject(server: Server, cause: Cause, now: float, rules: Rules) -> Server:
    again = server.wait > 0 and now - server.returned < 2 * server.wait
    wait = min(2 * server.wait, rules.probe_after_at_most) if again else rules.probe_after
    return replace(server, ejection=Ejection(cause, now, wait, now + wait), evidence=0.0, busy=None)


def _probed(
    server: Server, answer: Answers, cause: Cause | None, typical: float | None, now: float, rules: Rules
) -> Server:
    """An ejected server after this look: it waits, or is asked a few requests, or comes back."""
    ejection = server.ejection
    assert ejection is not None
    if ejection.probing_since is None:
        if ejection.cause is Cause.STUCK and answer.seconds:
            ejection = replace(ejection, until=min(ejection.until, now))  # it moves again
        if now >= ejection.until and server.sound:
            ejection = replace(ejection, probing_since=now, good=0)
        return replace(server, ejection=ejection, evidence=0.0, busy=None if answer.held else server.busy)
    # Longer ones were sent before the probes.
    own = [seconds for seconds in answer.seconds if seconds <= now - ejection.probing_since]
    slow = typical is not None and _slow_probe(own, typical, rules)
    bad = Cause.FAILING if answer.failed else Cause.SLOW if slow else cause
    if bad is not None:
        wait = min(2 * ejection.wait, rules.probe_after_at_most)
        return replace(server, ejection=Ejection(bad, ejection.since, wait, now + wait), evidence=0.0)
    good = ejection.good + len(own)
    if good < rules.probes:
        return replace(server, ejection=replace(ejection, good=good))
    return _returned(server, ejection, now, rules)


def _slow_probe(seconds: list[float], typical: float, rules: Rules) -> bool:
    return any(one > max(rules.slow_probe * typical, rules.slow_seconds) for one in seconds)


def _returned(server: Server, ejection: Ejection, now: float, rules: Rules) -> Server:
    """As a newcomer, on parole: the next error is enough."""
    return replace(
        server,
        ejection=None,
        level=rules.start,
        answers=0.0,
        seconds=0.0,
        failures=0.0,
        evidence=rules.failing / 2,
        busy=None,
        wait=ejection.wait,
        returned=now,
    )
