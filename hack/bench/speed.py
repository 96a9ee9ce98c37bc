"""How long it takes from a breach to the accepted request for more replicas, beside an HPA.

Each namespace has the same workload four times: scaled by ragops on CPU, sampled each second and every five,
on the queue that its pods tell of, and by an HPA on CPU. In each round the load of the namespace goes up at a
random moment, and all of them see the same load at the same time.
"""

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final

from tests.cluster.operator.audit import Request
from tests.cluster.operator.space import Object, Space

from bench.page import table
from bench.source import REQUESTED_CPU
from bench.stage import OPERATOR, Stage, stage

SLOTS: Final = 6
"""Namespaces."""
ROUNDS: Final = 12
SETTLE_SECONDS: Final = 6.0
"""From the end of the load until all have seen it."""
WAIT_SECONDS: Final = (2.0, 17.0)
"""Before each breach, at random: a whole period of the HPA, so that each phase is equally likely."""
TIMEOUT_SECONDS: Final = 90.0
POLL_SECONDS: Final = 0.5
HPA: Final = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
CPU_PERCENT: Final = 70


@dataclass(frozen=True)
class Contestant:
    """One of the workloads of each namespace."""

    name: str
    user: str
    """Who scales it."""
    label: str
    metric: str
    every: str
    bound: float | None = None
    """Seconds that 99 of 100 must not exceed."""


CONTESTANTS: Final = (
    Contestant("fast", OPERATOR, "ragops", "CPU", "1 s", 2.0),
    Contestant("queue", OPERATOR, "ragops", "QueueDepth of the pods' endpoint", "1 s", 2.0),
    Contestant("slow", OPERATOR, "ragops", "CPU", "5 s", 6.0),
    Contestant("hpa", HPA, "HPA, its defaults", "CPU", "15 s"),
)


@dataclass(frozen=True)
class Breach:
    """The load of a namespace went up."""

    slot: str
    at: datetime


def report() -> str:
    """Runs it: a table, and how busy the machine was."""
    with stage() as played:
        mark = played.audit.mark()
        with ThreadPoolExecutor(SLOTS) as pool:
            slots = [f"slot{number}" for number in range(SLOTS)]
            breaches = [breach for found in pool.map(lambda s: _play(played, s), slots) for breach in found]
        orders = {
            user: [r for r in played.audit.writes(user, mark) if r.resource == "deployments/scale"]
            for user in (OPERATOR, HPA)
        }
    _, busy, _ = os.getloadavg()
    rows = [
        _row(contestant, latencies(contestant, breaches, orders[contestant.user]))
        for contestant in CONTESTANTS
    ]
    header = ("scaled by", "metric", "sampled every", "breaches", "p50 s", "p99 s", "max s", "bound of p99 s")
    note = (
        f"Load average of the machine over the last five minutes of it: {busy:.1f} on {os.cpu_count()} cores."
    )
    return f"{table(header, rows)}\n\n{note}"


def latencies(contestant: Contestant, breaches: Iterable[Breach], orders: Iterable[Request]) -> list[float]:
    """Seconds from each breach to the answer to the first accepted order after it, in ascending order."""
    accepted = [order for order in orders if order.status == 200]
    first = (
        min(
            order.completed
            for order in accepted
            if order.name == f"{breach.slot}-{contestant.name}" and order.completed > breach.at
        )
        - breach.at
        for breach in breaches
    )
    return sorted(delta.total_seconds() for delta in first)


def percentile(ascending: Sequence[float], percent: int) -> float:
    """By nearest rank: a value that was measured, never less than interpolation gives."""
    return ascending[ceil(percent / 100 * len(ascending)) - 1]


def _row(contestant: Contestant, seconds: Sequence[float]) -> tuple[object, ...]:
    figures = (f"{value:.2f}" for value in (percentile(seconds, 50), percentile(seconds, 99), seconds[-1]))
    bound = "-" if contestant.bound is None else f"{contestant.bound:g}"
    return contestant.label, contestant.metric, contestant.every, len(seconds), *figures, bound


def _play(played: Stage, slot: str) -> list[Breach]:
    """All rounds in one namespace."""
    with played.namespace(slot) as space:
        _set_up(space, played.endpoint_port)
        return list(_rounds(played, space))


def _rounds(played: Stage, space: Space) -> Iterator[Breach]:
    slot = space.namespace
    for _ in range(ROUNDS):
        _until(lambda: _rests(played, space), f"{slot} is at rest")
        yield Breach(slot, played.source.turn_up(slot))
        _until(lambda: _all_have(space, 2), f"{slot} is scaled up")
        played.source.turn_down(slot)
        time.sleep(SETTLE_SECONDS)


def _rests(played: Stage, space: Space) -> bool:
    """Brings each workload back to one replica. Whether all still have it after a random time."""
    for workload in space.all_of("Deployment"):
        if workload["spec"]["replicas"] > 1:
            space.patch("Deployment", workload["metadata"]["name"], {"spec": {"replicas": 1}}, "scale")
    if not _all_have(space, 1):
        return False
    played.measure(space)
    time.sleep(random.uniform(*WAIT_SECONDS))
    return _all_have(space, 1)


def _set_up(space: Space, endpoint_port: int) -> None:
    slot = space.namespace
    resources = {"requests": {"cpu": REQUESTED_CPU}}
    common = {"mode": "Proportional", "maxReplicas": 2, "cooldownSeconds": 0, "stabilitySeconds": 3600}
    cpu, queue = [{"type": "CPU", "upAbove": CPU_PERCENT}], [{"type": "QueueDepth"}]
    endpoint = {"port": endpoint_port, "path": f"/{slot}"}
    scaled = {
        "fast": {**common, "sampleSeconds": 1, "metrics": cpu},
        "slow": {**common, "sampleSeconds": 5, "metrics": cpu},
        "queue": {**common, "sampleSeconds": 1, "metrics": queue, "endpoint": endpoint},
    }
    space.apply_rag(
        [
            {"name": name, "type": "Generation", "resources": resources, "autoscaling": block}
            for name, block in scaled.items()
        ],
        slot,
    )
    _make_twin(space, resources)


def _make_twin(space: Space, resources: Object) -> None:
    """The Deployment that the HPA scales. It may add a replica at once, and never removes one."""
    name = f"{space.namespace}-hpa"
    labels = {"app": name}
    container = {"name": "main", "image": "test/twin:1", "resources": resources}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    space.create("Deployment", name, spec={"selector": {"matchLabels": labels}, "template": template})
    target = {"type": "Utilization", "averageUtilization": CPU_PERCENT}
    space.create(
        "HorizontalPodAutoscaler",
        name,
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": 1,
            "maxReplicas": 2,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            "behavior": {"scaleDown": {"selectPolicy": "Disabled"}},
        },
    )


def _all_have(space: Space, replicas: int) -> bool:
    """Whether each workload has these replicas, all of them ready."""
    workloads = space.all_of("Deployment")
    return len(workloads) == len(CONTESTANTS) and all(
        w["spec"]["replicas"]
        == w.get("status", {}).get("replicas")
        == w["status"].get("readyReplicas")
        == replicas
        for w in workloads
    )


def _until(check: Callable[[], bool], what: str) -> None:
    """Waits, with few requests: they take time from what is measured. Raises TimeoutError naming `what`."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {TIMEOUT_SECONDS:.0f} s: {what}")
        time.sleep(POLL_SECONDS)
