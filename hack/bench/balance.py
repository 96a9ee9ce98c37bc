"""Our load balancing beside that of plain HAProxy and a peak-EWMA proxy, with servers that fail in many ways.

Each cell is one balancer in one scenario: ten backend processes, and the same requests at the same times for
every balancer. A request is good when it is answered with 200 within a second of the time it was due.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Any, Final

from bench.balance_plot import draw
from bench.balancers import BALANCERS, DIRECT, Balancer
from bench.page import IMAGES, table
from bench.pool import Backend, Names, Played, await_all_serve, backends, tool

BACKENDS: Final = 10
CAPACITY: Final = 4
"""Requests that a backend works on at a time."""
WORK_MS: Final = 50
RATE: Final = 480.0
"""Requests a second: 60 % of what the backends can do, BACKENDS * CAPACITY / WORK_MS."""
SECONDS: Final = 40
FAULT_SECOND: Final = 5
LOAD_END_SECONDS: Final = 20.0
"""For the last requests."""
SEED: Final = 1
KEPT_BELOW: Final = 90.0
"""Per cent of good requests: the logs and the series of a worse cell are kept, since they say why."""
LANES: Final = 2
"""Cells that run at the same time."""


@dataclass(frozen=True)
class Scenario:
    """What happens to the last backends of the pool."""

    name: str
    title: str
    hit: int = 1
    faults: Mapping[str, float] = field(default_factory=dict)
    """What those have from second 5 on; see the control endpoint of hack/tools/balance/backend.go."""
    capacity: int = CAPACITY
    """Of those, all the time."""
    joins: bool = False
    """They become members only in second 5."""


SCENARIOS: Final = (
    Scenario("equal", "all equal"),
    Scenario("slow", "one ten times slower", faults={"slow": 10}),
    Scenario("stuck", "one stuck for 30 s", faults={"stuckSeconds": 30}),
    Scenario("failing", "one failing fast", faults={"fail": True}),
    Scenario("half", "two of half the capacity", hit=2, capacity=CAPACITY // 2),
    Scenario("cold", "one added cold", faults={"coldSeconds": 10, "coldFactor": 10}, joins=True),
)


@dataclass(frozen=True)
class Cell:
    """What became of one balancer in one scenario."""

    balancer: Balancer
    scenario: Scenario
    figures: Mapping[str, Any]
    """See Summary in hack/tools/balance/load.go."""
    cpu_micros: float
    """CPU time of the balancer for each request, its agent included."""

    @property
    def good(self) -> float:
        """Per cent."""
        return 100 * float(self.figures["good"]) / float(self.figures["requests"])


def report() -> str:
    """Runs all."""
    cells, note = _watched("*")
    draw(cells, IMAGES / "balance.png")
    return "\n\n".join((tables(cells), verdict(cells), note, "![good requests](images/balance.png)"))


def partly(patterns: str) -> str:
    """Runs the cells whose name BALANCER/SCENARIO matches one of these, separated by commas: for tuning."""
    cells, note = _watched(patterns)
    statuses = (f"{c.balancer.name}/{c.scenario.name}: statuses {c.figures['statuses']}" for c in cells)
    return "\n\n".join((tables(cells), "\n".join(statuses), note))


def _watched(patterns: str) -> tuple[list[Cell], str]:
    """The cells, and how busy the machine was: whether the load was what it should be."""
    begin, idle, total = time.monotonic(), *_cpu()
    cells = run(patterns)
    minutes, idle_after, total_after = (time.monotonic() - begin) / 60, *_cpu()
    busy = 100 * (1 - (idle_after - idle) / (total_after - total))
    late = max(cell.figures["lagP99"] for cell in cells)
    note = (
        f"{len(cells)} cells of {SECONDS} s, {LANES} at a time, in {minutes:.0f} minutes. All there was took "
        f"{busy:.0f} % of the machine's {os.cpu_count()} cores; the load average in the end was "
        f"{os.getloadavg()[2]:.1f}. The load sent its requests {late:.1f} ms late at most (p99 of a cell)."
    )
    return cells, note


def _cpu() -> tuple[float, float]:
    """CPU time of the machine so far: idle, and all of it."""
    # proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guest time is part of user.
    first, *_ = Path("/proc/stat").read_text().splitlines()
    times = [float(value) for value in first.split()[1:9]]
    return times[3] + times[4], sum(times)


def run(patterns: str) -> list[Cell]:
    """The cells whose name BALANCER/SCENARIO matches one of the patterns, LANES at a time."""
    chosen = [
        (balancer, scenario)
        for scenario in SCENARIOS
        for balancer in (*BALANCERS, DIRECT)
        if any(fnmatch(f"{balancer.name}/{scenario.name}", pattern) for pattern in patterns.split(","))
        and (balancer is not DIRECT or scenario is SCENARIOS[0])
    ]
    lanes: SimpleQueue[int] = SimpleQueue()
    for lane in range(LANES):
        lanes.put(lane)

    def play(what: tuple[Balancer, Scenario]) -> Cell:
        lane = lanes.get()
        try:
            return _play(lane, *what)
        finally:
            lanes.put(lane)

    with ThreadPoolExecutor(LANES) as pool:
        return list(pool.map(play, chosen))


def tables(cells: Sequence[Cell]) -> str:
    """All that the cells tell in numbers."""
    scenarios = [s for s in SCENARIOS if any(c.scenario is s for c in cells)]
    grid = (("good requests %", lambda c: share(c.good)), ("p99 ms", lambda c: f"{c.figures['p99']:.0f}"))
    return "\n\n".join((*(_grid(title, cells, scenarios, show) for title, show in grid), _price(cells)))


def _grid(
    title: str, cells: Sequence[Cell], scenarios: Sequence[Scenario], show: Callable[[Cell], str]
) -> str:
    rows = []
    for balancer, found in _by_balancer(cells):
        texts = {cell.scenario.name: show(cell) for cell in found}
        if balancer is not DIRECT:
            rows.append([balancer.title, *(texts.get(scenario.name, "") for scenario in scenarios)])
    return table([title, *(scenario.title for scenario in scenarios)], rows)


def _price(cells: Sequence[Cell]) -> str:
    """CPU time, and the time that a balancer adds at the median: both are those of its median cell."""
    header = ("median of the scenarios", "CPU µs a request", "ms outside the backend, p50")
    rows = []
    for balancer, found in _by_balancer(cells):
        cpu, added = median(c.cpu_micros for c in found), median(c.figures["addedP50"] for c in found)
        rows.append((balancer.title, f"{cpu:.0f}" if cpu else "", f"{added:.2f}"))
    return table(header, rows)


def verdict(cells: Sequence[Cell]) -> str:
    """What was wished of ResponseTime, and what it reached beside the others."""
    found = {balancer.name: {c.scenario.name: c for c in those} for balancer, those in _by_balancer(cells)}
    ours, plain, peak = found["response-time"], found["haproxy-leastconn"], found["peak-ewma"]
    slower = max(c.figures["p99"] / peak[name].figures["p99"] for name, c in ours.items())
    dearer = median(c.cpu_micros / plain[name].cpu_micros for name, c in ours.items())
    added = ours["equal"].figures["addedP50"] - found["direct"]["equal"].figures["addedP50"]
    retried = min(c.good for c in found["response-time-retries"].values())
    rows = (
        ("good %, worst scenario", share(min(c.good for c in ours.values())), "99.90 at least"),
        ("good % with retries, worst scenario", share(retried), "99.99 at least"),
        ("p99 as a multiple of peak-EWMA's, worst scenario", f"{slower:.2f}", "1.10 at most"),
        ("CPU as a multiple of plain `leastconn`'s, median scenario", f"{dearer:.2f}", "1.50 at most"),
        ("ms more at p50 than without a balancer, all equal", f"{added:.2f}", "1.00 at most"),
    )
    return table(("`ResponseTime`", "reached", "wished"), rows)


def _by_balancer(cells: Iterable[Cell]) -> list[tuple[Balancer, list[Cell]]]:
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.balancer.name, []).append(cell)
    return [(those[0].balancer, those) for those in found.values()]


def share(percent: float) -> str:
    """Rounded down: 99.996 is not 100."""
    return f"{int(percent * 100) / 100:.2f}"


def _play(lane: int, balancer: Balancer, scenario: Scenario) -> Cell:
    folder = Path(tempfile.mkdtemp(prefix="balance-"))
    try:
        cell = _played(lane, balancer, scenario, folder)
    except BaseException:
        shutil.rmtree(folder)
        raise
    settle(cell, folder)
    return cell


def settle(cell: Cell, folder: Path) -> None:
    """Removes what a cell has left; of a bad one it is kept, with the figures, and told on stderr."""
    if cell.good >= KEPT_BELOW:
        shutil.rmtree(folder)
        return
    (folder / "figures.json").write_text(json.dumps(cell.figures))
    print(
        f"{cell.balancer.name}/{cell.scenario.name}: {share(cell.good)} % good, "
        f"statuses {cell.figures['statuses']}, load late by {cell.figures['lagP99']:.1f} ms (p99) and "
        f"{cell.figures['lagMax']:.1f} ms at most; kept in {folder}",
        file=sys.stderr,
        flush=True,
    )


def _played(lane: int, balancer: Balancer, scenario: Scenario, folder: Path) -> Cell:
    stay = BACKENDS - scenario.hit
    capacities = [CAPACITY] * stay + [scenario.capacity] * scenario.hit
    with ExitStack() as open_until_the_end:
        pool = open_until_the_end.enter_context(backends(lane, capacities, folder))
        names = open_until_the_end.enter_context(Names())
        first = pool[:stay] if scenario.joins else pool
        names.set(first)
        played = open_until_the_end.enter_context(balancer.start(names, folder))
        played.set_members(first)
        await_all_serve(played.urls, first)
        before = played.cpu_seconds()
        figures = _load(played.urls, lambda: _hit(scenario, pool, played))
        spent = played.cpu_seconds() - before
    return Cell(balancer, scenario, figures, 1e6 * spent / figures["requests"])


def _hit(scenario: Scenario, pool: Sequence[Backend], played: Played) -> None:
    for backend in pool[len(pool) - scenario.hit :]:
        backend.set(scenario.faults)
    if scenario.joins:
        played.set_members(pool)


def _load(urls: Sequence[str], hit: Callable[[], None]) -> dict[str, Any]:
    """Plays the load; calls the function in the second of the fault."""
    command = (
        *(tool(), "load", "--targets", ",".join(urls), "--seed", SEED, "--rate", RATE),
        *("--duration", f"{SECONDS}s", "--work", f"{WORK_MS}ms"),
    )
    with subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            begin = json.loads(process.stdout.readline())["begin"]
            time.sleep(max(begin + FAULT_SECOND - time.time(), 0))
            hit()
            output, _ = process.communicate(timeout=SECONDS + LOAD_END_SECONDS)
        finally:
            process.kill()
    figures: dict[str, Any] = json.loads(output)
    return figures
