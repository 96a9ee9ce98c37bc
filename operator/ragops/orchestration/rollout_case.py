"""What a rollout is decided from, what comes of it, and the moves that all strategies share."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from ragops.api.service import ServiceSpec
from ragops.api.status import RolloutPhase, RolloutStatus, VersionStatus
from ragops.orchestration.analysis import Comparison
from ragops.orchestration.diagnosis import Diagnosis, StartReason
from ragops.orchestration.observation import Workload
from ragops.orchestration.times import next_second
from ragops.resources.variant import Traffic


class Command(StrEnum):
    """What a person has told a rollout, by `kubectl rag rollout`."""

    PROMOTE = "promote"
    ABORT = "abort"


@dataclass(frozen=True)
class Case:
    """A service whose spec asks for another version than the stable one."""

    spec: ServiceSpec
    target: VersionStatus
    before: RolloutStatus | None
    """The rollout of this very version as status has it."""
    own: Workload | None
    candidate: Workload | None
    """The second workload, if it is of this version."""
    traffic: Traffic
    """Whose pods the Service selects now."""
    now: datetime
    own_trouble: Diagnosis | None = None
    candidate_trouble: Diagnosis | None = None
    unhealthy_since: datetime | None = None
    """Since when the variant that serves is unhealthy by itself."""
    failing_checks: int = 0
    """Ready pods of the candidate that fail the operator's own check."""
    comparison: Comparison | None = None
    command: Command | None = None
    old_command: str | None = None
    """The command that was there before the rollout began."""

    @property
    def phase(self) -> RolloutPhase | None:
        """The phase that status tells."""
        return self.before.phase if self.before else None

    @property
    def since(self) -> datetime:
        """When that began."""
        return self.before.since if self.before and self.before.since else self.now

    @property
    def own_is_done(self) -> bool:
        """The service's own workload is of the new version, and ready."""
        return self.own is not None and self.own.revision == self.target.revision and self.own.complete

    def size(self, weight_percent: int) -> int:
        """Pods of a candidate that is to have this share, at least one; none where none are wanted at all."""
        wanted = self.own or self.candidate  # a workload that was deleted says nothing until it is back
        if wanted is None or wanted.wanted == 0:
            return 1 if wanted is None else 0
        return max(1, ceil(wanted.wanted * weight_percent / 100))

    def is_up(self, size: int) -> bool:
        """The candidate has this many pods, all ready."""
        candidate = self.candidate
        return candidate is not None and candidate.complete and candidate.ready >= size

    @property
    def is_broken(self) -> Diagnosis | None:
        """Why a candidate that was ready before cannot serve; None when it can."""
        if self.candidate_trouble and self.candidate_trouble.reason in (
            StartReason.CRASH_LOOP,
            StartReason.OUT_OF_MEMORY,
        ):
            return self.candidate_trouble
        if self.candidate is not None and self.candidate.wanted > 0 and self.candidate.ready == 0:
            return Diagnosis("CandidateUnhealthy", "none of its pods is ready any more")
        if self.candidate is not None and 0 < self.candidate.ready <= self.failing_checks:
            return Diagnosis("CandidateUnhealthy", "the check of its pods fails")
        alone = self.traffic is Traffic.CANDIDATE
        if alone and self.unhealthy_since is not None and self.unhealthy_since >= self.since:
            return Diagnosis("CandidateUnhealthy", "the service became Unhealthy with it")
        return None

    def at(
        self,
        phase: RolloutPhase,
        message: str,
        reason: str | None = None,
        step: int | None = None,
        weight: int = 0,
    ) -> RolloutStatus:
        """The status of a phase, or of a step of it, which goes on or begins now."""
        goes_on = self.before and (self.before.phase, self.before.step) == (phase, step)
        new = [w for w in (self.own, self.candidate) if w and w.revision == self.target.revision]
        return RolloutStatus(
            revision=self.target.revision,
            phase=phase,
            since=self.since if goes_on else next_second(self.now),
            step=step,
            weight_percent=weight,
            updated_replicas=sum(w.updated for w in new if w.settled),
            ready_replicas=self.candidate.ready if self.candidate else 0,
            old_command=self.old_command,
            reason=reason,
            message=message,
        )


@dataclass(frozen=True)
class Move:
    """What a rollout does now."""

    status: RolloutStatus | None
    """None: it is over, and the new version is the stable one."""
    own_is_new: bool = False
    """The service's own workload takes the new version."""
    candidate: int | None = None
    """Size of the second workload; None: it is not wanted."""
    traffic: Traffic = Traffic.STABLE
    wake_at: datetime | None = None
    """When time alone goes on with it."""


DONE = Move(None, own_is_new=True)


def starting(case: Case, size: int, traffic: Traffic, step: int | None = None, weight: int = 0) -> Move:
    """The candidate's pods come up, within the time that a start of the service may take."""
    ready = case.candidate.ready if case.candidate else 0
    status = case.at(
        RolloutPhase.STARTING,
        f"{ready} of {size} pods of the new version are ready",
        step=step,
        weight=weight,
    )
    trouble = case.candidate_trouble
    deadline = (status.since or case.now) + timedelta(seconds=case.spec.startup.timeout_seconds)
    if case.now >= deadline:
        return aborted(case, trouble or not_ready(case.spec))
    if trouble is not None:
        message = f"the new version does not start ({trouble.reason}: {trouble.message})"
        status = status.model_copy(update={"reason": trouble.reason, "message": message})
    return Move(status, candidate=size, traffic=traffic, wake_at=deadline)


def promoting(case: Case, size: int, step: int | None = None, weight: int = 0) -> Move:
    """The own workload takes the new version by a rolling update, and gets all requests when it has it. Until
    then they go on as they are; its pods of the old version serve should the candidate fail.
    """
    if case.own_is_done:
        return DONE
    trouble = case.own_trouble
    message = "the service's own workload takes the new version"
    if trouble is not None:
        message = f"{message}, and does not start ({trouble.reason}: {trouble.message})"
    status = case.at(
        RolloutPhase.PROMOTING, message, trouble.reason if trouble else None, step=step, weight=weight
    )
    serves = case.candidate is not None and case.candidate.ready > 0
    return Move(status, own_is_new=True, candidate=size, traffic=case.traffic if serves else Traffic.STABLE)


def aborted(case: Case, why: Diagnosis) -> Move:
    """The old version serves again, until the spec asks for another one."""
    message = (
        f"the new version was given up ({why.reason}: {why.message}), and the old one serves: change the "
        "service, or take the change back with kubectl rag rollout undo"
    )
    status = case.at(RolloutPhase.ABORTED, message, why.reason)
    return Move(status.model_copy(update={"ready_replicas": 0, "updated_replicas": 0}))


def stopped(case: Case) -> Move | None:
    """The move of a rollout that was aborted, or is now by a person; None for one that goes on."""
    if case.phase is RolloutPhase.ABORTED:
        return Move(case.before)
    if case.command is Command.ABORT:
        return aborted(case, Diagnosis("AbortedByUser", "a person has told so"))
    return None


def not_ready(spec: ServiceSpec) -> Diagnosis:
    """The pods take longer than a start of the service may take, and nothing tells why."""
    return Diagnosis(
        "NotReady",
        f"not ready after {spec.startup.timeout_seconds} s: see the pod's log, or raise "
        "startup.timeoutSeconds",
    )
