"""Strategy ResourceUsage: weights by what the pods use of the CPU and memory that they request."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from ragops.gateway.files import Usage
from ragops.gateway.weights_pool import Pool

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


@dataclass(frozen=True)
class Sample:
    """What the operator has measured last."""

    pods: Mapping[str, Usage]
    """By address."""
    fresh: bool = False
    """It is not the sample of the last decision."""


def usage_levels(pool: Pool, usage: Sample | None) -> tuple[dict[str, float], str | None]:
    """The level of each server in use, and why there are no usable samples. Then all get the same.

    A server whose usage is not known, as of a new pod, gets what is usual.
    """
    in_use = {name: server for name, server in pool.usable.items() if server.ejection is None}
    used = {name: pressure(usage, server.address) for name, server in in_use.items()} if usage else {}
    known = {name: value for name, value in used.items() if value is not None}
    if 2 * len(known) < len(in_use) or not known:
        return dict.fromkeys(in_use, 1.0), f"usage is known of {len(known)} of {len(in_use)} pods"
    assert usage is not None
    if not usage.fresh:
        return {}, None
    mean = fmean(known.values())
    levels = {name: 1.0 for name in in_use if name not in known}
    for name, value in known.items():
        level = in_use[name].level * (mean / value) ** STRENGTH
        levels[name] = min(max(level, LOWEST), HIGHEST)
    return levels, None


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
