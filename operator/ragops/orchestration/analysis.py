"""Is the new version worse than the old one? From what both did with their requests in the same time."""

from dataclasses import dataclass
from enum import Enum, auto

from ragops.api.traffic import CanaryAnalysisSpec


@dataclass(frozen=True)
class Figures:
    """The requests to the pods of one variant since a step began, as far as they were counted."""

    requests: float = 0.0
    errors: float = 0.0
    """Those that failed."""
    timed: float = 0.0
    """Those whose response time is known."""
    busy: float = 0.0
    """Sum of these response times, in seconds."""


@dataclass(frozen=True)
class Comparison:
    """The figures of both variants in one step of a rollout."""

    revision: str
    step: int
    stable: Figures = Figures()
    candidate: Figures = Figures()


class Verdict(Enum):
    """What an analysis found."""

    GOOD = auto()
    BAD = auto()
    INCONCLUSIVE = auto()


@dataclass(frozen=True)
class Finding:
    """A verdict with a sentence for people."""

    verdict: Verdict
    message: str = ""


def judge(limits: CanaryAnalysisSpec, seen: Comparison | None) -> Finding:
    """The candidate against the stable version. What was not measured is never good: it is inconclusive.

    Either measure alone can be bad; only both together are good.
    """
    if limits.min_requests == 0:
        return Finding(Verdict.GOOD)
    if seen is None:
        return _inconclusive(limits)
    findings = (_errors(limits, seen), _response_time(limits, seen))
    bad = next((finding for finding in findings if finding.verdict is Verdict.BAD), None)
    return bad or next((f for f in findings if f.verdict is Verdict.INCONCLUSIVE), findings[0])


def _errors(limits: CanaryAnalysisSpec, seen: Comparison) -> Finding:
    if min(seen.stable.requests, seen.candidate.requests) < limits.min_requests:
        return _inconclusive(limits)
    old, new = _error_percent(seen.stable), _error_percent(seen.candidate)
    if new <= old + limits.max_error_increase_percent:
        return Finding(Verdict.GOOD)
    return Finding(Verdict.BAD, f"{new:.1f} % of its requests failed, {old:.1f} % of the old version's")


def _response_time(limits: CanaryAnalysisSpec, seen: Comparison) -> Finding:
    if min(seen.stable.timed, seen.candidate.timed) < limits.min_requests:
        return _inconclusive(limits)
    old, new = _mean_ms(seen.stable), _mean_ms(seen.candidate)
    if new <= old * (1 + limits.max_response_time_increase_percent / 100):
        return Finding(Verdict.GOOD)
    return Finding(Verdict.BAD, f"its mean response time was {new:.0f} ms, the old version's {old:.0f} ms")


def _inconclusive(limits: CanaryAnalysisSpec) -> Finding:
    """Without the numbers, which change with every sample."""
    return Finding(
        Verdict.INCONCLUSIVE,
        f"fewer than {limits.min_requests} requests to each version were measured in this step: it goes on "
        "when there are more; analysis.minRequests 0 leaves it to the pauses, kubectl rag rollout promote to "
        "you",
    )


def _error_percent(figures: Figures) -> float:
    return min(100 * figures.errors / figures.requests, 100.0)


def _mean_ms(figures: Figures) -> float:
    return 1000 * figures.busy / figures.timed
