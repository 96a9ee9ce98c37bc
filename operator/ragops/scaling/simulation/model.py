"""The cluster that policies are compared on: replicas that take time to start, a queue, response times.

Time goes in ticks of one second. In each tick replicas become ready, the samples are taken, the policy
decides, its order takes effect, and the arrivals are served, in this order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from operator import mul
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ragops.scaling.simulation.parameters import MAX_SHARING, Parameters
from ragops.scaling.simulation.trace import Trace


class Pod(NamedTuple):
    """One replica."""

    ordered_at: int
    """Second of its order."""
    ready_at: float
    """Second at which it is ready."""


class Observation(NamedTuple):
    """The figures of the ticks between two samples."""

    begin: int
    """First of the ticks."""
    end: int
    """Time of the sample, after the last of the ticks."""
    utilisation: float
    """Mean utilisation of a ready replica, 0 to 1."""
    response: float
    """Mean response time in seconds, weighted by requests; the plain mean where there were none."""
    queue: float
    """Mean number of waiting requests."""
    dropped: float
    """Requests dropped."""
    arrived: float
    """Requests arrived."""

    @property
    def arrival_rate(self) -> float:
        """Requests per second."""
        return self.arrived / (self.end - self.begin)


@dataclass(frozen=True)
class Ticks:
    """What happened so far, one value a tick. Grows during a run."""

    arrived: list[float] = field(default_factory=list)
    """Requests."""
    served: list[float] = field(default_factory=list)
    """Requests."""
    dropped: list[float] = field(default_factory=list)
    """Requests."""
    backlog: list[float] = field(default_factory=list)
    """Requests that wait at the end of the tick."""
    utilisation: list[float] = field(default_factory=list)
    """Of all ready replicas, 0 to 1."""
    response: list[float] = field(default_factory=list)
    """Seconds that a request of this tick takes."""
    ready: list[int] = field(default_factory=list)
    """Replicas."""
    pending: list[int] = field(default_factory=list)
    """Replicas that were ordered and are not ready yet."""

    def observe(self, begin: int) -> Observation:
        """The figures of all ticks from `begin` on; there is one at least."""
        end = len(self.arrived)
        ticks, arrived = end - begin, self.arrived[begin:]
        requests, response = sum(arrived), self.response[begin:]
        weighted = sum(map(mul, arrived, response)) / requests if requests else sum(response) / ticks
        return Observation(
            begin=begin,
            end=end,
            utilisation=sum(self.utilisation[begin:]) / ticks,
            response=weighted,
            queue=sum(self.backlog[begin:]) / ticks,
            dropped=sum(self.dropped[begin:]),
            arrived=requests,
        )


@dataclass(frozen=True)
class View:
    """What a policy sees at one time."""

    now: int
    """Seconds from the start."""
    ready: Sequence[Pod]
    """Ready replicas, in the order of their becoming ready."""
    pending: Sequence[Pod]
    """Replicas that are not ready yet, in the order of their being ordered."""
    started: Sequence[float]
    """Seconds that each replica ordered so far took to become ready, in the order of their becoming so."""
    samples: Sequence[Observation]
    """All samples until now, oldest first."""
    ticks: Ticks
    """All ticks before this one; only for policies that scrape by themselves."""

    @property
    def replicas(self) -> int:
        """Ready and pending replicas."""
        return len(self.ready) + len(self.pending)

    def delayed(self, seconds: int) -> Observation | None:
        """The newest sample that is known to one who hears of it this much later; None before the first."""
        return next((sample for sample in reversed(self.samples) if sample.end + seconds <= self.now), None)


@dataclass(frozen=True)
class Order:
    """How many replicas a policy wants, and why."""

    replicas: int
    reason: str
    """One word."""
    message: str
    """A sentence."""


class Policy(Protocol):
    """Anything that decides about replicas. It may remember what it likes; one object drives one run."""

    @property
    def interval(self) -> int:
        """Seconds between two decisions; the first is at 0."""
        ...

    @property
    def initial(self) -> int | None:
        """Replicas at the start; None for those that the parameters say."""
        ...

    def decide(self, view: View) -> Order | None:
        """The order of this time; None leaves the replicas as they are."""
        ...


@dataclass(frozen=True)
class Change:
    """An order that changed the number of replicas."""

    at: int
    """Seconds from the start."""
    before: int
    """Ready and pending replicas."""
    after: int
    reason: str
    message: str


@dataclass(frozen=True)
class Run:
    """What came of a policy on a trace. All arrays have shape (ticks,)."""

    trace: Trace
    parameters: Parameters
    arrived: NDArray[np.float64]
    served: NDArray[np.float64]
    dropped: NDArray[np.float64]
    backlog: NDArray[np.float64]
    utilisation: NDArray[np.float64]
    response: NDArray[np.float64]
    ready: NDArray[np.int64]
    pending: NDArray[np.int64]
    changes: tuple[Change, ...]
    """Oldest first."""


def simulate(trace: Trace, policy: Policy, parameters: Parameters) -> Run:
    """Drives the policy over the whole trace."""
    initial = parameters.initial(trace) if policy.initial is None else policy.initial
    fleet = _Fleet(initial, parameters.start_up)
    ticks, samples = Ticks(), list[Observation]()
    changes: list[Change] = []
    for now, arrived in enumerate(trace.per_tick().tolist()):
        fleet.start(now)
        if now and now % parameters.sample_seconds == 0:
            samples.append(ticks.observe(now - parameters.sample_seconds))
        if now % policy.interval == 0:
            order = policy.decide(View(now, fleet.ready, fleet.pending, fleet.started, samples, ticks))
            if order is not None and order.replicas != fleet.replicas:
                changes.append(Change(now, fleet.replicas, order.replicas, order.reason, order.message))
                fleet.resize(order.replicas, now)
        _serve(arrived, len(fleet.ready), len(fleet.pending), parameters, ticks)
    return Run(
        trace,
        parameters,
        np.array(ticks.arrived),
        np.array(ticks.served),
        np.array(ticks.dropped),
        np.array(ticks.backlog),
        np.array(ticks.utilisation),
        np.array(ticks.response),
        np.array(ticks.ready),
        np.array(ticks.pending),
        tuple(changes),
    )


def _serve(arrived: float, ready: int, pending: int, parameters: Parameters, ticks: Ticks) -> None:
    """One tick of the queue, appended to `ticks`.

    Response time is the wait for the backlog plus processor sharing, s / (1 - u).
    """
    rate = ready * parameters.capacity
    load = arrived + (ticks.backlog[-1] if ticks.backlog else 0.0)
    served = min(load, rate)
    backlog = load - served
    # Without any replica the queue holds what arrives within the timeout.
    dropped = max(0.0, backlog - (rate or arrived) * parameters.timeout)
    backlog -= dropped
    if ready:
        utilisation = served / rate
        response = backlog / rate + parameters.service_time / (1 - min(utilisation, MAX_SHARING))
    else:
        utilisation = 1.0 if load else 0.0
        response = parameters.timeout if arrived else parameters.service_time
    ticks.arrived.append(arrived)
    ticks.served.append(served)
    ticks.dropped.append(dropped)
    ticks.backlog.append(backlog)
    ticks.utilisation.append(utilisation)
    ticks.response.append(response)
    ticks.ready.append(ready)
    ticks.pending.append(pending)


class _Fleet:
    """The replicas over time."""

    def __init__(self, initial: int, start_up: Sequence[float]) -> None:
        self.ready = [Pod(0, 0)] * initial
        self.pending: list[Pod] = []
        self.started: list[float] = []
        self._start_up = cycle(start_up)
        self._next_ready = math.inf

    @property
    def replicas(self) -> int:
        return len(self.ready) + len(self.pending)

    def start(self, now: int) -> None:
        """Pending replicas whose time has come become ready."""
        if now < self._next_ready:
            return
        done = sorted((pod for pod in self.pending if pod.ready_at <= now), key=lambda pod: pod.ready_at)
        self.pending[:] = [pod for pod in self.pending if pod.ready_at > now]
        self.ready += done
        self.started += [pod.ready_at - pod.ordered_at for pod in done]
        self._next_ready = min((pod.ready_at for pod in self.pending), default=math.inf)

    def resize(self, replicas: int, now: int) -> None:
        """Up: ready after the start-up time. Down: at once, pending ones first, then the newest."""
        while self.replicas > replicas:
            (self.pending or self.ready).pop()
        for _ in range(replicas - self.replicas):
            self.pending.append(Pod(now, now + next(self._start_up)))
        self._next_ready = min((pod.ready_at for pod in self.pending), default=math.inf)
        self.start(now)  # a replica without start-up time serves in this very tick
