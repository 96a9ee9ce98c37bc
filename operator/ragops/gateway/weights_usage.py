"""Strategy ResourceUsage: weights by what the pods use of the CPU and memory that they request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

from ragops.gateway.files import Usage
from ragops.gateway.weights_pool import Aim, Pool, Server

CPU_PART: Final = 0.7
"""Of the usage that counts; memory is the rest. Requests use CPU at once, and memory hardly."""
FLOOR: Final = 0.05
"""Usage below is as good as none: ratios of small numbers say nothing."""
STRENGTH: Final = 0.5
"""Part of a difference that one new sample corrects. Usage follows the load, and load the weight: with a part
below 1 it comes to rest at equal usage, without swinging."""
LOWEST: Final = 0.1
HIGHEST: Final = 2.5
"""Bounds of the levels: what is used may have nothing to do with the requests."""
OLD_SECONDS: Final = 120.0
"""The operator tells usage only when it changes, but asks for the figures at least every 15 s. If it has not
for this long, it is away, and what it told last is old."""


@dataclass(frozen=True)
class Sample:
    """What the operator has measured last."""

    pods: Mapping[str, Usage]
    """By address."""
    silent: float = 0.0
    """Seconds since there was a sign of life of the operator."""


@dataclass(frozen=True)
class Aimed:
    """What usage says."""

    pool: Pool
    levels: Mapping[str, float]
    """Those that the servers in use shall come to, by name."""
    fallback: str | None = None
    """Why there is no usable sample; then all get the same."""


def aimed(pool: Pool, usage: Sample | None) -> Aimed:
    """The pool with the levels to come to.

    They change with each sample that differs from the one before; until then, each look comes nearer to them.
    A server whose usage is not known, as of a new pod, gets what is usual.
    """
    in_use = {name: server for name, server in pool.usable.items() if server.ejection is None}
    used = {name: pressure(usage, server.address) for name, server in in_use.items()} if usage else {}
    known = {name: value for name, value in used.items() if value is not None}
    if fallback := _unusable(usage, len(known), len(in_use)):
        return Aimed(pool, dict.fromkeys(in_use, 1.0), fallback)
    assert usage is not None
    if usage.pods != pool.aim.pods:
        aims = _aims([(in_use[name], value) for name, value in known.items()])
        pool = replace(pool, aim=Aim(usage.pods, aims))
    levels = {name: pool.aim.levels.get(server.address or "", 1.0) for name, server in in_use.items()}
    return Aimed(pool, levels)


def _unusable(usage: Sample | None, known: int, in_use: int) -> str | None:
    if usage is not None and usage.silent >= OLD_SECONDS:
        return f"the operator has not asked for {OLD_SECONDS:.0f} s, so usage is old"
    return f"usage is known of {known} of {in_use} pods" if 2 * known < in_use or not known else None


def _aims(used: Sequence[tuple[Server, float]]) -> dict[str, float]:
    """Levels by address: those that the usage was measured with, and part of the difference."""
    mean = fmean(value for _, value in used)
    return {
        server.address or "": min(max(server.level * (mean / value) ** STRENGTH, LOWEST), HIGHEST)
        for server, value in used
    }


def pressure(usage: Sample, address: str | None) -> float | None:
    """What a pod uses, CPU and memory together, with CPU first; None: neither is known."""
    pod = usage.pods.get((address or "").rpartition(":")[0])
    if pod is None:
        return None
    parts = [(CPU_PART, pod.cpu), (1 - CPU_PART, pod.memory)]
    known = [(part, share) for part, share in parts if share is not None]
    if not known:
        return None
    return max(sum(part * share for part, share in known) / sum(part for part, _ in known), FLOOR)
