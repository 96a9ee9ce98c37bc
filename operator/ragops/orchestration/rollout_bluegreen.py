"""BlueGreen: a second workload at full size, checked, then all requests at once to it.

The old version stays as it is until the new one has served for scaleDownDelaySeconds, so the way back is one
write. Only then the service's own workload takes the new version.
"""

from datetime import datetime, timedelta

from ragops.api.status import RolloutPhase, RolloutStatus
from ragops.api.traffic import BlueGreenSpec, Promotion
from ragops.orchestration.rollout_case import (
    CHECK_FAILS,
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


def advance(case: Case) -> Move:
    """The next move."""
    if stop := stopped(case):
        return stop
    settings = case.spec.rollout.blue_green or BlueGreenSpec()
    size = case.size(100)
    if case.phase is RolloutPhase.PROMOTING:
        return promoting(case, size)
    checking = case.phase in (RolloutPhase.CHECKING, RolloutPhase.PAUSED)
    switched = case.phase is RolloutPhase.SWITCHED
    if (checking or switched) and (broken := case.is_broken):
        return aborted(case, broken)
    if case.candidate is None or case.is_gone:
        return starting(case, size, Traffic.STABLE)
    if switched:
        return _switched(case, settings, size)
    # More pods that are wanted meanwhile do not begin the check anew: it would never end where load grows.
    if case.has_lost(size) if checking else not case.is_up(size):
        return starting(case, size, Traffic.STABLE)
    return _checking(case, settings, size)


def _checking(case: Case, settings: BlueGreenSpec, size: int) -> Move:
    """All of the candidate was ready. Losing a pod begins the start, and then the check, anew."""
    if case.failing_checks:
        return aborted(case, CHECK_FAILS)
    seconds = settings.check_seconds
    checking = case.at(RolloutPhase.CHECKING, f"the new version must stay healthy for {seconds} s")
    due = (checking.since or case.now) + timedelta(seconds=seconds)
    passed = case.phase is RolloutPhase.PAUSED or case.now >= due
    told = case.command is Command.PROMOTE
    wanted = told or (passed and case.spec.rollout.promotion is Promotion.AUTOMATIC)
    if wanted and case.is_up(size) and (told or case.is_proven):
        return _switch(case, settings, Traffic.CANDIDATE, size)
    if not passed:
        return Move(troubled(case, size, checking, due), candidate=size, wake_at=due)
    if wanted:
        return Move(_held(case, size, due), candidate=size, wake_at=timeout_at(case.spec, due))
    message = "the new version is healthy and waits for kubectl rag rollout promote"
    paused = case.at(RolloutPhase.PAUSED, message, "WaitingForPromotion")
    return Move(troubled(case, size, paused, due), candidate=size)


def _held(case: Case, size: int, due: datetime) -> RolloutStatus:
    """The check is over, and the new version cannot have the requests yet."""
    phase = RolloutPhase.PAUSED if case.phase is RolloutPhase.PAUSED else RolloutPhase.CHECKING
    if case.is_up(size):
        return case.at(phase, "the operator's own check must find each of its pods good first")
    message = f"{case.ready} of {size} pods of the new version are ready"
    return troubled(case, size, case.at(phase, message), due)


def _switch(case: Case, settings: BlueGreenSpec, traffic: Traffic, size: int) -> Move:
    seconds = settings.scale_down_delay_seconds
    status = case.at(
        RolloutPhase.SWITCHED, f"the new version serves; the old one is kept for {seconds} s as a way back"
    )
    until = (status.since or case.now) + timedelta(seconds=seconds)
    status = troubled(case, size, status, until)
    return Move(status, candidate=size, traffic=traffic, wake_at=until)


def _switched(case: Case, settings: BlueGreenSpec, size: int) -> Move:
    traffic = case.all_requests(size)
    move = _switch(case, settings, traffic, size)
    over = move.wake_at is not None and case.now >= move.wake_at
    # The switch itself may have been refused: the time counts for nothing then. Pods that are lost, and that
    # the own ones help out for, hold nothing up: there may never be room for them again.
    served = Traffic.STABLE not in (traffic, case.traffic)
    return promoting(case, size) if over and served else move
