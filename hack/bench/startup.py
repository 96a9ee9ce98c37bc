"""How long a system takes from apply to all ready, beside the longest path through its dependencies.

Random graphs of services, whose fake pods become ready a set time after they were made. Each is started as it
is, and once more with the same services one after the other.
"""

import os
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.cluster.operator.space import Object, Space

from bench.page import table
from bench.stage import Stage, stage

GRAPHS: Final = 20
SERVICES: Final = (6, 12)
DELAY_MS: Final = (1000, 6000)
NEEDS: Final = 3
"""Services that one depends on, at most."""
TIMEOUT_SECONDS: Final = 180.0
POLL_SECONDS: Final = 0.05
BOUND: Final = 1.1


@dataclass(frozen=True)
class Node:
    """A service: how long its pod takes, and which it needs."""

    name: str
    delay_ms: int
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """One graph, in seconds."""

    services: int
    dependencies: int
    critical: float
    started: float
    one_by_one: float

    @property
    def ratio(self) -> float:
        """1 would be as fast as its pods."""
        return self.started / self.critical


def report() -> str:
    """Runs it: a table, the whole of it in a line, and how busy the machine was."""
    graphs = [random_graph(random.Random(seed)) for seed in range(GRAPHS)]
    with stage() as played:
        # One at a time: the machine must not be what is measured.
        results = [_play(played, number, graph) for number, graph in enumerate(graphs)]
    _, busy, _ = os.getloadavg()
    note = (
        f"Load average of the machine over the last five minutes of it: {busy:.1f} on {os.cpu_count()} cores."
    )
    return f"{_table(results)}\n\n{note}"


def random_graph(numbers: random.Random) -> tuple[Node, ...]:
    """Services in an order in which each needs only earlier ones."""
    nodes: list[Node] = []
    for index in range(numbers.randint(*SERVICES)):
        needs = numbers.sample(nodes, min(index, numbers.randint(0, NEEDS)))
        names = tuple(sorted(node.name for node in needs))
        nodes.append(Node(f"s{index}", numbers.randint(*DELAY_MS), names))
    return tuple(nodes)


def critical_seconds(graph: Iterable[Node]) -> float:
    """The longest path: no start can be shorter."""
    ready: dict[str, int] = {}
    for node in graph:
        ready[node.name] = node.delay_ms + max((ready[name] for name in node.needs), default=0)
    return max(ready.values()) / 1000


def one_by_one(graph: Sequence[Node]) -> tuple[Node, ...]:
    """The same services, each of which needs the one before it."""
    before: tuple[tuple[str, ...], ...] = ((), *((node.name,) for node in graph))
    return tuple(Node(node.name, node.delay_ms, needs) for node, needs in zip(graph, before, strict=False))


def _table(results: Sequence[Result]) -> str:
    header = (
        "graph",
        "services",
        "dependencies",
        "critical path s",
        "start s",
        "ratio",
        "one by one s",
        "times as long",
    )
    rows = [
        (
            number,
            r.services,
            r.dependencies,
            f"{r.critical:.2f}",
            f"{r.started:.2f}",
            f"{r.ratio:.3f}",
            f"{r.one_by_one:.2f}",
            f"{r.one_by_one / r.started:.2f}",
        )
        for number, r in enumerate(results, start=1)
    ]
    ratios = [r.ratio for r in results]
    gain = sum(r.one_by_one for r in results) / sum(r.started for r in results)
    summary = (
        f"Ratio: median {median(ratios):.3f}, largest {max(ratios):.3f}, bound {BOUND:g}. "
        f"One by one, all of them together take {gain:.2f} times as long."
    )
    return f"{table(header, rows)}\n\n{summary}"


def _play(played: Stage, number: int, graph: tuple[Node, ...]) -> Result:
    with played.namespace(f"start{number}") as space:
        return Result(
            services=len(graph),
            dependencies=sum(len(node.needs) for node in graph),
            critical=critical_seconds(graph),
            started=_seconds_to_ready(space, "graph", graph),
            one_by_one=_seconds_to_ready(space, "row", one_by_one(graph)),
        )


def _seconds_to_ready(space: Space, name: str, graph: Iterable[Node]) -> float:
    """From the request that makes it until its status says that all are ready."""
    services: list[Object] = [
        {
            "name": node.name,
            "type": "Generation",
            "image": f"test/after:{node.delay_ms}",
            "dependsOn": [{"name": need} for need in node.needs],
        }
        for node in graph
    ]
    begin = time.monotonic()
    space.apply_rag(services, name)
    while space.condition("Ready", name).get("status") != "True":
        if time.monotonic() - begin > TIMEOUT_SECONDS:
            raise AssertionError(f"{space.namespace}/{name} is not ready within {TIMEOUT_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    seconds = time.monotonic() - begin
    space.delete("RAGDeployment", name)
    return seconds
