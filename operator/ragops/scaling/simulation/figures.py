"""The figures by which runs are compared."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ragops.scaling.simulation import oracle
from ragops.scaling.simulation.model import Change, Run
from ragops.scaling.simulation.parameters import EPSILON

VIOLATION_PRICE: Final = 0.25
"""In J, by per cent: four per cent of late requests cost as much as the whole fleet of the oracle."""


@dataclass(frozen=True)
class Figures:
    """One run in numbers. Less is better in all of them."""

    violations: float
    """Share of all requests that were dropped or late, 0 to 1."""
    pod_hours: float
    """Hours of all replicas, ready or pending."""
    oracle_ratio: float
    """Pod-hours divided by those of the oracle."""
    j: float
    """oracle_ratio + 0.25 x violations in per cent: the one figure to rank by."""
    actions: int
    """Changes of the number of replicas, whatever their size."""
    reversals: int
    """Actions in the other direction than the one before."""
    theta_u: float
    """Mean share of the needed replicas that were missing (SPEC elasticity: under-provisioning accuracy)."""
    theta_o: float
    """Mean superfluous replicas as a share of those needed (over-provisioning accuracy)."""
    tau_u: float
    """Share of the time with too few replicas (under-provisioning timeshare)."""
    tau_o: float
    """Share of the time with too many (over-provisioning timeshare)."""
    longest_under_seconds: int
    """The longest time with too few replicas."""
    worst_response_seconds: float
    """The longest response time."""
    p50_response_seconds: float
    """Half of the requests took no longer."""
    p95_response_seconds: float
    p99_response_seconds: float


def evaluate(run: Run) -> Figures:
    """The figures of a run."""
    parameters = run.parameters
    need = oracle.needed(run.trace, parameters)
    requests = run.arrived.sum()
    # Who is dropped has waited for the timeout: in a late tick all that arrived count already.
    late = np.where(run.response > parameters.slo + EPSILON, run.arrived, run.dropped)
    violations = min(float(late.sum() / requests), 1.0) if requests else 0.0
    pod_hours = float((run.ready + run.pending).sum()) / 3600
    ratio = pod_hours / oracle.pod_hours(run.trace, parameters)
    p50, p95, p99 = _percentiles(run.response, run.arrived, (0.5, 0.95, 0.99))
    return Figures(
        violations=violations,
        pod_hours=pod_hours,
        oracle_ratio=ratio,
        j=ratio + VIOLATION_PRICE * 100 * violations,
        actions=len(run.changes),
        reversals=_reversals(run.changes),
        theta_u=float(np.mean(np.maximum(need - run.ready, 0) / need)),
        theta_o=float(np.mean(np.maximum(run.ready - need, 0) / need)),
        tau_u=float(np.mean(run.ready < need)),
        tau_o=float(np.mean(run.ready > need)),
        longest_under_seconds=_longest(run.ready < need),
        worst_response_seconds=float(run.response.max()),
        p50_response_seconds=p50,
        p95_response_seconds=p95,
        p99_response_seconds=p99,
    )


def _percentiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], shares: tuple[float, ...]
) -> list[float]:
    """For each share, the least value that this share of the weight does not exceed; 0 without any weight."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    if not total[-1]:
        return [0.0] * len(shares)
    return [float(values[order[np.searchsorted(total, share * total[-1])]]) for share in shares]


def _reversals(changes: tuple[Change, ...]) -> int:
    ups = [change.after > change.before for change in changes]
    return sum(one != other for one, other in pairwise(ups))


def _longest(mask: NDArray[np.bool_]) -> int:
    """Length of the longest run of true values."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return int((edges[1::2] - edges[::2]).max(initial=0))
