"""BlueGreen: a second workload at full size, checked, then all requests at once to it.

The old version stays as it is until the new one has served for scaleDownDelaySeconds, so the way back is one
write. Only then the service's own workload takes the new version.
"""

from datetime import timedelta

from ragops.api.status import RolloutPhase
from ragops.api.traffic import BlueGreenSpec, Promotion
from ragops.orchestration.diagnosis import Diagnosis
from ragops.orchestration.rollout_case import Case, Command, Move, aborted, promoting, starting, stopped
from ragops.resources.variant import Traffic


def advance(case: Case) -> Move:
    """The next move."""
    if stop := stopped(case):
        return stop
    settings = case.spec.rollout.blue_green or BlueGreenSpec()
    size = case.size(100)
    if case.phase is RolloutPhase.PROMOTING:
        return promoting(case, size)
    if case.candidate is None:
        return starting(case, size, Traffic.STABLE)
    if case.phase is RolloutPhase.SWITCHED:
        return _switched(case, settings, size)
    if case.phase in (RolloutPhase.CHECKING, RolloutPhase.PAUSED) and (broken := case.is_broken):
        return aborted(case, broken)
    if not case.is_up(size):
        return starting(case, size, Traffic.STABLE)
    return _checking(case, settings, size)


def _checking(case: Case, settings: BlueGreenSpec, size: int) -> Move:
    """All of the candidate is ready. Losing a pod begins the start, and then the check, anew."""
    if case.failing_checks:
        return aborted(case, Diagnosis("CandidateUnhealthy", "the check of its pods fails"))
    seconds = settings.check_seconds
    checking = case.at(RolloutPhase.CHECKING, f"the new version must stay healthy for {seconds} s")
    due = (checking.since or case.now) + timedelta(seconds=seconds)
    passed = case.phase is RolloutPhase.PAUSED or case.now >= due
    automatic = case.spec.rollout.promotion is Promotion.AUTOMATIC
    if case.command is Command.PROMOTE or (passed and automatic):
        return _switch(case, settings, size)
    if not passed:
        return Move(checking, candidate=size, wake_at=due)
    message = "the new version is healthy and waits for kubectl rag rollout promote"
    return Move(case.at(RolloutPhase.PAUSED, message, "WaitingForPromotion"), candidate=size)


def _switch(case: Case, settings: BlueGreenSpec, size: int) -> Move:
    seconds = settings.scale_down_delay_seconds
    status = case.at(
        RolloutPhase.SWITCHED, f"the new version serves; the old one is kept for {seconds} s as a way back"
    )
    until = (status.since or case.now) + timedelta(seconds=seconds)
    return Move(status, candidate=size, traffic=Traffic.CANDIDATE, wake_at=until)


def _switched(case: Case, settings: BlueGreenSpec, size: int) -> Move:
    if broken := case.is_broken:
        return aborted(case, broken)
    move = _switch(case, settings, size)
    over = move.wake_at is not None and case.now >= move.wake_at
    # The switch itself may have been refused: the time counts for nothing then.
    return promoting(case, size) if over and case.traffic is Traffic.CANDIDATE else move
