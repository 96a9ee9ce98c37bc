"""What happened on a pod between two scrapes: increases of counters, and percentiles from buckets.

Sources: Prometheus documentation, Querying functions: rate, increase and histogram_quantile.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from ragops.api.autoscaling import EndpointSpec
from ragops.metrics.exposition import Exposition, Series
from ragops.scaling.sample import MAX_VALUE


@dataclass(frozen=True)
class Scrape:
    """What a pod exposed at a time."""

    at: float
    """Seconds of a monotonic clock."""
    origin: Hashable
    """What was asked, and of which start of the pod: scrapes of different origins cannot be compared."""
    exposed: Exposition


@dataclass(frozen=True)
class Traffic:
    """The requests to a pod between two scrapes."""

    seconds: float
    """Between the scrapes."""
    timed: float
    """Requests in the histogram of response times."""
    busy: float
    """Sum of their response times, in seconds."""
    buckets: Mapping[float, float]
    """By upper bound in seconds: requests that took no longer."""
    requests: float
    """Requests in the counter."""
    errors: float
    """Those that failed."""


def traffic(before: Scrape, after: Scrape, names: EndpointSpec) -> Traffic | None:
    """The difference of two scrapes of one pod; None where its numbers make no sense."""
    totals: defaultdict[str, float] = defaultdict(float)
    buckets: defaultdict[float, float] = defaultdict(float)
    for series, increase in increases(before.exposed.values, after.exposed.values).items():
        if series.name == names.queue_depth:
            continue
        if not 0 <= increase <= MAX_VALUE:
            return None
        totals[series.name] += increase
        if series.name == f"{names.request_seconds}_bucket":
            buckets[_bound(series)] += increase
    return Traffic(
        seconds=after.at - before.at,
        timed=totals[f"{names.request_seconds}_count"],
        busy=totals[f"{names.request_seconds}_sum"],
        buckets=buckets,
        requests=totals[names.requests],
        errors=totals[names.errors],
    )


def increases(before: Mapping[Series, float], after: Mapping[Series, float]) -> dict[Series, float]:
    """By how much each counter grew. One that went down, or is new, has counted from zero.

    The parts of a histogram begin anew together: a sum alone may be above the old one by then.
    """
    anew = {_counter(series) for series, value in after.items() if value < before.get(series, 0)}
    return {
        series: value - (0 if anew and _counter(series) in anew else before.get(series, 0))
        for series, value in after.items()
    }


def quantile(q: float, buckets: Mapping[float, float]) -> float | None:
    """The q-quantile (0 to 1) of a histogram with cumulative `buckets` by upper bound; None when it is empty.

    Linear interpolation inside the bucket, from zero in the first one. In the last, without an upper bound,
    its lower bound is the answer, as in Prometheus' histogram_quantile.
    """
    bounds = sorted(bound for bound in buckets if not math.isnan(bound))
    # Pods of two versions may have different bounds: the merged counts must still not go down.
    counts = list(accumulate((buckets[bound] for bound in bounds), max))
    if not bounds or bounds[-1] != math.inf or not counts[-1]:
        return None
    rank = q * counts[-1]
    at = next(i for i, count in enumerate(counts) if count >= rank)
    if bounds[at] == math.inf:
        return bounds[at - 1] if at else None
    lower, below = (bounds[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    inside = counts[at] - below
    return lower + (bounds[at] - lower) * (rank - below) / inside


def merged(buckets: Iterable[Mapping[float, float]]) -> dict[float, float]:
    """One histogram from those of several pods."""
    total: defaultdict[float, float] = defaultdict(float)
    for one in buckets:
        for bound, count in one.items():
            total[bound] += count
    return total


def _counter(series: Series) -> tuple[str, frozenset[tuple[str, str]]]:
    """What begins anew together: a counter, or a histogram with the same labels but for its bounds."""
    name = series.name
    for suffix in ("_bucket", "_count", "_sum"):
        name = name.removesuffix(suffix)
    return name, frozenset(label for label in series.labels if label[0] != "le")


def _bound(series: Series) -> float:
    try:
        return float(series.label("le") or "nan")
    except ValueError:
        return math.nan
