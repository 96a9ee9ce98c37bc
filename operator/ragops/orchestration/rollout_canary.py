"""Canary: a share of the requests to the new version, growing in steps, as long as it is no worse.

Through the gateway the candidate has its share by weight, whatever its size.
Without it, ready pods share the requests evenly: the candidate's share is that of its pods. Its size
is its weight of the own workload's, rounded up, and that stays at full size. Of many pods the share is less
than the weight; of few it may be far more, since a pod is the least there is: one beside one has half of the
requests, whatever its weight.
"""

from dataclasses import replace
from datetime import timedelta

from ragops.api.status import RolloutPhase
from ragops.api.traffic import CanarySpec, Promotion
from ragops.orchestration.analysis import Finding, Verdict, judge
from ragops.orchestration.diagnosis import Diagnosis
from ragops.orchestration.rollout_case import (
    Case,
    Command,
    Move,
    aborted,
    promoting,
    starting,
    stopped,
    troubled,
)
from ragops.orchestration.startup import timeout_at
from ragops.resources.variant import Traffic


def advance(case: Case, settings: CanarySpec) -> Move:
    """The next move."""
    if stop := stopped(case):
        return stop
    index = min((case.before.step or 0) if case.before else 0, len(settings.steps) - 1)
    weight = settings.steps[index].weight_percent
    size = case.size(weight)
    if case.phase is RolloutPhase.PROMOTING:
        return promoting(case, size, index, weight)
    if case.candidate is None or not _is_tried(case, index):
        return _begun(case, settings, index)
    if broken := case.is_broken:
        return aborted(case, broken)
    found = _finding(case, settings, index)
    if found.verdict is Verdict.BAD:
        return aborted(case, Diagnosis("AnalysisFailed", found.message))
    if case.command is Command.PROMOTE:
        return promoting(case, size, index, weight)
    if case.phase is RolloutPhase.STARTING or case.has_lost(size):
        return _begun(case, settings, index)
    return _stepping(case, settings, index, found)


def _begun(case: Case, settings: CanarySpec, index: int) -> Move:
    """A step begins, or begins anew, when all its pods are ready. Until then requests are split as in the
    one before.
    """
    weight = settings.steps[index].weight_percent
    size = case.size(weight)
    if case.is_up(size):
        return _shifting(case, settings, index)
    before = settings.steps[index - 1].weight_percent if index else 0
    return starting(case, size, _with_old(before), index, weight)


def _stepping(case: Case, settings: CanarySpec, index: int, found: Finding) -> Move:
    """The pods of a step were there, and nothing is bad: it goes on, pauses, or makes way for the next, but
    not without pods that the scaler has wanted since.
    """
    staying = _shifting(case, settings, index)
    if case.phase is not RolloutPhase.PAUSED and staying.wake_at and case.now < staying.wake_at:
        return staying
    if found.verdict is Verdict.INCONCLUSIVE:
        return _paused(case, staying, "Inconclusive", found.message)
    last, weight = index + 1 == len(settings.steps), settings.steps[index].weight_percent
    if last and case.spec.rollout.promotion is Promotion.MANUAL:
        message = "the last step went well and waits for kubectl rag rollout promote"
        return _paused(case, staying, "WaitingForPromotion", message)
    size = case.size(weight)
    if not case.is_up(size):
        # Pods that the scaler has wanted since begin nothing anew: that would never end where load grows.
        assert staying.wake_at is not None, "the end of the step's pause"
        return replace(staying, wake_at=timeout_at(case.spec, staying.wake_at))
    return promoting(case, size, index, weight) if last else _begun(case, settings, index + 1)


def _shifting(case: Case, settings: CanarySpec, index: int) -> Move:
    step = settings.steps[index]
    size = case.size(step.weight_percent)
    status = case.at(
        RolloutPhase.SHIFTING, _share(case, settings, index, size), step=index, weight=step.weight_percent
    )
    due = (status.since or case.now) + timedelta(seconds=step.pause_seconds)
    traffic = case.all_requests(size) if step.weight_percent == 100 else _with_old(step.weight_percent)
    status = troubled(case, size, status, due)
    return Move(status, candidate=size, traffic=traffic, wake_at=due)


def _paused(case: Case, staying: Move, reason: str, message: str) -> Move:
    assert staying.status is not None, "a step that goes on has a status"
    step, weight = staying.status.step, staying.status.weight_percent
    status = case.at(RolloutPhase.PAUSED, message, reason, step, weight)
    status = troubled(case, staying.candidate or 0, status, status.since or case.now)
    return replace(staying, status=status, wake_at=None)


def _is_tried(case: Case, index: int) -> bool:
    """The candidate was up in this rollout: while a later step starts, it serves as in the one before."""
    phase = case.phase
    return phase in (RolloutPhase.SHIFTING, RolloutPhase.PAUSED) or (
        phase is RolloutPhase.STARTING and index > 0
    )


def both_serve(settings: CanarySpec, phase: RolloutPhase, step: int) -> bool:
    """Both versions have requests that can be compared. While a step starts, as in the one before."""
    index = min(step, len(settings.steps) - 1)
    if phase is RolloutPhase.STARTING:
        return index > 0 and settings.steps[index - 1].weight_percent > 0
    shared = 0 < settings.steps[index].weight_percent < 100
    return shared and phase in (RolloutPhase.SHIFTING, RolloutPhase.PAUSED)


def _finding(case: Case, settings: CanarySpec, index: int) -> Finding:
    """Where one version gets all requests there is nothing to compare: readiness and health decide alone."""
    if case.phase is None or not both_serve(settings, case.phase, index):
        return Finding(Verdict.GOOD)
    seen = case.comparison
    current = seen is not None and (seen.revision, seen.step) == (case.target.revision, index)
    return judge(settings.analysis, seen if current else None)


def _with_old(weight_percent: int) -> Traffic:
    return Traffic.BOTH if weight_percent > 0 else Traffic.STABLE


def _share(case: Case, settings: CanarySpec, index: int, size: int) -> str:
    weight = settings.steps[index].weight_percent
    text = f"step {index + 1} of {len(settings.steps)}: {weight} % of the requests"
    if case.by_weight or case.own is None or case.own.wanted == 0 or weight in (0, 100):
        return text
    near = round(100 * size / (case.own.wanted + size))
    return f"{text}, without the gateway only near: {near} %, by ready pods"
