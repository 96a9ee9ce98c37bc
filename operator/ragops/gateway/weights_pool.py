"""What is known of the servers of a backend, its pool: the state that `decide` takes and gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ragops.gateway.files import Usage
from ragops.gateway.naming import SERVER_WEIGHT

MAX_WEIGHT: Final = 256


@dataclass(frozen=True)
class Rules:
    """The numbers of the decision. Times in seconds."""

    base: int = SERVER_WEIGHT
    """Weight of a server like the others."""
    start: float = 0.1
    """Share of it that a newcomer begins with."""
    growth: float = 1.6
    """Factor by which a weight may grow in a second."""
    shrinkage: float = 8.0
    """Factor by which a weight may fall in a second."""
    deadband: float = 1.2
    """Up to this ratio to the pool's median, a difference is taken for chance."""
    resolution: float = 0.1
    """A weight is changed only when it differs by this share: each change costs HAProxy a little."""
    half_life: float = 2.0
    """Times and errors count half after this time."""
    evidence_half_life: float = 30.0
    """Evidence against a server does: good answers take it away sooner, where there are any."""
    held_half_life: float = 60.0
    """So does how long requests stay: streams are rare, and last."""
    prior: float = 8.0
    """Answers, at the pool's median, that a server is credited with: few answers prove little."""
    active_factor: float = 0.1
    """Part by which each request under way lengthens the effective time."""
    error_factor: float = 20.0
    """An error counts as an answer that took this many times the median."""
    slow: float = 5.0
    """Ratio to the median response time above which a server is ejected."""
    slow_seconds: float = 0.02
    """At least so much: no client notices less."""
    slow_probe: float = 3.0
    """Ratio up to which the answer to a probe is good."""
    stuck: float = 10.0
    """Times the expected wait for the next answer without any."""
    stuck_seconds: float = 0.25
    """At least so long: shorter pauses are everyday life."""
    stuck_others: int = 5
    """Answers that the others must have given meanwhile."""
    failing: float = 7.0
    """Evidence, as logarithm of the likelihood ratio, that ejects: two errors between good answers."""
    fails_at: float = 0.5
    """Share of errors of a failing server; the evidence is for this against the share of the others."""
    error_floor: float = 0.01
    """Share of errors that is assumed of the others at least."""
    eject_at_most: float = 1 / 3
    """Share of the pool."""
    rest: float = 1.0
    """For so long after an error, a failing server that may not be ejected gets nothing. Less weight alone is
    not less: to leastconn an idle server is as good as any other, and one that fails at once is idle."""
    probe_after: float = 3.0
    """Until the first probe; doubled with each that fails."""
    probe_after_at_most: float = 60.0
    probes: int = 3
    """Good answers that bring an ejected server back."""


class Cause(StrEnum):
    """Why a server is ejected; the first is the worst."""

    FAILING = "Failing"
    STUCK = "Stuck"
    SLOW = "Slow"


@dataclass(frozen=True, slots=True)
class Ejection:
    """A server that gets nothing, or one probe after the other."""

    cause: Cause
    since: float
    wait: float
    """Seconds from the last bad sign to the next probe."""
    until: float
    """Time of the next probe."""
    probing_since: float | None = None
    good: int = 0
    """Probes answered well, of those under way."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A server that has requests under way and has answered none since."""

    since: float
    others: float
    """What the pool had answered by then."""


@dataclass(frozen=True, slots=True)
class Server:
    """What is known of one server. Sums fade with time."""

    address: str | None
    """None: an empty slot, whose weight is ready for a newcomer."""
    level: float
    """Its weight before rounding, as a share of the base."""
    weight: int
    """The weight that HAProxy shall have."""
    up: bool = True
    sound: bool = True
    active: float = 0.0
    """Requests under way, smoothed."""
    under_way: int = 0
    """The same, at the last look."""
    queued: int = 0
    """Requests that wait for this server."""
    answers: float = 0.0
    seconds: float = 0.0
    """Sum of the answers' times to the first byte."""
    failures: float = 0.0
    failed_at: float | None = None
    """Time of the last failure."""
    evidence: float = 0.0
    """That it fails: a cumulative sum (CUSUM) of log-likelihood ratios, never below 0."""
    repeated: int | None = None
    """HAProxy's counter at the last look."""
    busy: Busy | None = None
    ejection: Ejection | None = None
    wait: float = 0.0
    """Seconds until the first probe should it be ejected again; 0: it has no history."""
    returned: float = 0.0
    """When it last came back from an ejection."""

    @property
    def usable(self) -> bool:
        """HAProxy would send it requests."""
        return self.address is not None and self.up


@dataclass(frozen=True, slots=True)
class Held:
    """How long requests stay in the servers that are not ejected: fading count, sum and sum of squares."""

    count: float = 0.0
    seconds: float = 0.0
    squares: float = 0.0

    @property
    def residual(self) -> float | None:
        """Expected seconds until a request under way ends, seen at any moment: E[t^2] / (2 E[t]).

        None: too few have ended. Source: renewal theory, the mean residual life (inspection paradox).
        """
        if self.count < 1 or self.seconds <= 0:
            return None
        return self.squares / (2 * self.seconds)


@dataclass(frozen=True)
class Aim:
    """Where the last sample of usage has led to."""

    pods: Mapping[str, Usage] = field(default_factory=dict)
    """The sample, by address."""
    levels: Mapping[str, float] = field(default_factory=dict)
    """By `address:port`."""


@dataclass(frozen=True)
class Pool:
    """All servers of a backend."""

    servers: Mapping[str, Server] = field(default_factory=dict)
    at: float = 0.0
    """Time of the last decision."""
    held: Held = Held()
    ended: float = 0.0
    """Requests that have ended, since ever."""
    aim: Aim = Aim()
    """Of strategy ResourceUsage."""
    panic: bool = False
    """All servers answer badly: all get the same."""
    checks_failed: bool = False
    """All servers have failed their last check: they are used nevertheless."""

    @property
    def usable(self) -> dict[str, Server]:
        """The servers that HAProxy would send requests."""
        return {name: server for name, server in self.servers.items() if server.usable}
