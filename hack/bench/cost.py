"""What the operator takes: CPU and memory with many scaled services, and the time of one decision."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Final

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from tests.cluster.operator.space import SIX, Space, services

from bench.page import table
from bench.scaling import PARAMETERS, loads
from bench.source import REQUESTED_CPU
from bench.stage import Stage, stage
from ragops.scaling.simulation import catalog
from ragops.scaling.simulation.model import Order, Policy, View, simulate

NAMESPACES: Final = 10
RAGS: Final = 6
"""RAGDeployments in each namespace."""
SCALED: Final = tuple(name for name in SIX if name != "vector-store")
SERVICES: Final = NAMESPACES * RAGS * len(SCALED)
START_SECONDS: Final = 300.0
LEARN_SECONDS: Final = 120
"""Until mode Predictive has samples enough to go by its forecast."""
WATCHED_SECONDS: Final = 120


def report() -> str:
    """Two tables."""
    return f"{_running()}\n\n{_deciding()}"


def _running() -> str:
    """The operator with all these services, in mode Predictive with the default metrics and pace."""
    with stage() as played, ExitStack() as open_until_the_end:
        spaces = [
            open_until_the_end.enter_context(played.namespace(f"cost{number}"))
            for number in range(NAMESPACES)
        ]
        for space in spaces:
            _apply(space, played.endpoint_port)
        for space in spaces:
            for rag in _rags():
                space.await_ready(rag, START_SECONDS)
            played.measure(space)
        time.sleep(LEARN_SECONDS)
        before, begin = _totals(played), time.monotonic()
        time.sleep(WATCHED_SECONDS)
        after, seconds = _totals(played), time.monotonic() - begin
    spent = {name: (after[name] - before[name]) / seconds for name in after}
    figures = (
        ("CPU, share of one core", f"{100 * spent['process_cpu_seconds_total']:.1f} %"),
        ("memory (RSS)", f"{after['process_resident_memory_bytes'] / 2**20:.0f} MiB"),
        ("samples a second", f"{spent['ragops_samples_total']:.1f}"),
        ("passes a second", f"{spent['ragops_passes_total']:.1f}"),
        ("writes to the API server a minute", f"{60 * spent['ragops_writes_total']:.1f}"),
    )
    return table((f"{SERVICES} services in {NAMESPACES * RAGS} RAGDeployments", ""), figures)


def _rags() -> Iterator[str]:
    return (f"rag{number}" for number in range(RAGS))


def _apply(space: Space, endpoint_port: int) -> None:
    block = {
        "resources": {"requests": {"cpu": REQUESTED_CPU, "memory": "100Mi"}},
        "autoscaling": {
            "mode": "Predictive",
            "endpoint": {"port": endpoint_port, "path": f"/{space.namespace}"},
        },
    }
    for rag in _rags():
        space.apply_rag(services(*SCALED, **dict.fromkeys(SCALED, block)), rag)


def _totals(played: Stage) -> Mapping[str, float]:
    """The operator's own metrics, summed over their labels."""
    text = httpx.get(f"http://127.0.0.1:{played.operator.port}/metrics").text
    totals: defaultdict[str, float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            totals[sample.name] += sample.value
    return totals


class _Timed:
    """A policy whose decisions are timed."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.interval, self.initial = policy.interval, policy.initial
        self.seconds: list[float] = []

    def decide(self, view: View) -> Order | None:
        """See Policy."""
        # CPU time of this thread: what else the machine does is not part of it.
        begin = time.thread_time()
        order = self._policy.decide(view)
        self.seconds.append(time.thread_time() - begin)
        return order


def _deciding() -> str:
    """CPU time of a sample taken in and decided on, by mode."""
    trace, *_ = loads()
    rows = []
    for name in catalog.OURS:
        timed = _Timed(catalog.build(name, trace, PARAMETERS, {}))
        simulate(trace, timed, PARAMETERS)
        median, high = 1000 * np.quantile(timed.seconds, (0.5, 0.99))
        rows.append((f"`{name}`", f"{median:.2f}", f"{high:.2f}"))
    return table(("one sample and its decision", "p50 ms", "p99 ms"), rows)
