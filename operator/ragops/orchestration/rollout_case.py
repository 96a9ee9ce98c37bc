"""What a rollout is decided from, what comes of it, and the moves that all strategies share."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import ceil
from typing import Final

from ragops.api.service import ServiceSpec
from ragops.api.status import RolloutPhase, RolloutStatus, VersionStatus
from ragops.health.hysteresis import Verdict
from ragops.orchestration.analysis import Comparison
from ragops.orchestration.diagnosis import REFUSALS, Diagnosis, StartReason
from ragops.orchestration.observation import Workload
from ragops.orchestration.startup import timeout_at, too_slow
from ragops.orchestration.times import next_second
from ragops.resources.variant import Traffic, Variant

CHECK_FAILS: Final = Diagnosis("CandidateUnhealthy", "the check of its pods fails")


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
    checks: tuple[Verdict, ...] = ()
    """What the operator's own check says of each ready pod of the candidate. Nothing where no pod of the
    service has ever answered: most likely the operator cannot reach them."""
    comparison: Comparison | None = None
    by_weight: bool = False
    """The gateway splits the requests; otherwise the ready pods do."""
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
        """Pods of a candidate that is to have this share, at least one; none where none are wanted at all.

        One that is to have all requests, and gets some, does not shrink: the own workload is idle then, and
        what an autoscaler makes of that, or its being made anew, says nothing about the load.
        """
        least = 0
        if weight_percent == 100 and self.candidate and self.traffic.reaches(Variant.CANDIDATE):
            least = self.candidate.wanted
        wanted = self.own or self.candidate  # a workload that was deleted says nothing until it is back
        if wanted is None or wanted.wanted == 0:
            return 1 if wanted is None else least
        return max(1, least, ceil(wanted.wanted * weight_percent / 100))

    def is_up(self, size: int) -> bool:
        """The candidate has this many pods, all ready."""
        candidate = self.candidate
        return candidate is not None and candidate.complete and candidate.ready >= size

    @property
    def updated(self) -> int:
        """Pods of the new version, in both workloads."""
        new = (w for w in (self.own, self.candidate) if w and w.revision == self.target.revision)
        return sum(w.updated for w in new if w.settled)

    @property
    def update_trouble(self) -> Diagnosis | None:
        """What keeps the own workload from taking the new version. What ails its pods is no such thing before
        one of them is of it."""
        own, trouble = self.own, self.own_trouble
        of_cluster = trouble is not None and trouble.reason in (*REFUSALS, StartReason.PODS_NOT_CREATED)
        begun = own is not None and own.settled and own.revision == self.target.revision and own.updated > 0
        return trouble if of_cluster or begun else None

    @property
    def ready(self) -> int:
        """Ready pods of the candidate."""
        return self.candidate.ready if self.candidate else 0

    @property
    def is_gone(self) -> bool:
        """No pod of the candidate is ready. That may be a node's fault as well as its own."""
        return self.candidate is not None and self.candidate.wanted > 0 and self.candidate.ready == 0

    def has_lost(self, size: int) -> bool:
        """A pod of the candidate was ready before and is no more, though it is wanted."""
        before = self.before.ready_replicas if self.before else 0
        return self.is_gone or self.ready < min(before, size)

    @property
    def is_proven(self) -> bool:
        """The operator's own check speaks for each ready pod of the candidate, if it says anything at all."""
        return all(verdict is Verdict.GOOD for verdict in self.checks)

    @property
    def failing_checks(self) -> int:
        """Ready pods of the candidate that fail the operator's own check."""
        return self.checks.count(Verdict.FAILING)

    def all_requests(self, size: int) -> Traffic:
        """For a candidate that is to have all requests: while it misses pods, the own workload's ready ones
        help out.
        """
        own = self.own.ready if self.own else 0
        if self.ready == 0 and own > 0:
            return Traffic.STABLE
        short = self.ready < (size if self.traffic is Traffic.BOTH else min(size, own))
        return Traffic.BOTH if short else Traffic.CANDIDATE

    @property
    def is_broken(self) -> Diagnosis | None:
        """Why a candidate that was ready before will not serve well; None when nothing speaks against it.
        Pods that are gone do not: others may come up.
        """
        if self.candidate_trouble and self.candidate_trouble.reason in (
            StartReason.CRASH_LOOP,
            StartReason.OUT_OF_MEMORY,
        ):
            return self.candidate_trouble
        if 0 < self.ready <= self.failing_checks:
            return CHECK_FAILS
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
        anew: bool = False,
    ) -> RolloutStatus:
        """The status of a phase, or of a step of it, which goes on or begins now; `anew`: in any case."""
        goes_on = not anew and self.before and (self.before.phase, self.before.step) == (phase, step)
        return RolloutStatus(
            revision=self.target.revision,
            phase=phase,
            since=self.since if goes_on else next_second(self.now),
            step=step,
            weight_percent=weight,
            updated_replicas=self.updated,
            ready_replicas=self.ready,
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
    own_is_idle: bool = False
    """The service's own workload gets no requests meanwhile, and none will be missed of it."""
    candidate: int | None = None
    """Size of the second workload; None: it is not wanted."""
    traffic: Traffic = Traffic.STABLE
    wake_at: datetime | None = None
    """When time alone goes on with it."""


DONE = Move(None, own_is_new=True)


def starting(case: Case, size: int, traffic: Traffic, step: int | None = None, weight: int = 0) -> Move:
    """The candidate's pods come up, each within the time that a start of the service may take."""
    message = f"{case.ready} of {size} pods of the new version are ready"
    trouble = case.candidate_trouble
    more = trouble is None and case.before is not None and case.ready > case.before.ready_replicas
    status = case.at(RolloutPhase.STARTING, message, step=step, weight=weight, anew=more)
    deadline = timeout_at(case.spec, status.since or case.now)
    if case.now >= deadline:
        return aborted(case, trouble or not_ready(case.spec))
    if trouble is not None:
        message = f"the new version does not start ({trouble})"
        status = status.model_copy(update={"reason": trouble.reason, "message": message})
    return Move(status, candidate=size, traffic=traffic, wake_at=deadline)


def troubled(case: Case, size: int, status: RolloutStatus, due: datetime) -> RolloutStatus:
    """The status of a candidate that has fewer ready pods than this: why, where that is seen, or that it
    takes too long when all were to be there at `due`. It goes on: those that are ready speak for it.
    """
    if case.is_up(size):
        return status
    overdue = case.now >= timeout_at(case.spec, due)
    trouble = case.candidate_trouble or (not_ready(case.spec) if overdue else None)
    if trouble is None:
        return status
    message = f"a pod of the new version is not ready ({trouble})"
    return status.model_copy(update={"reason": trouble.reason, "message": message})


def promoting(case: Case, size: int, step: int | None = None, weight: int = 0) -> Move:
    """The own workload takes the new version by a rolling update, and gets all requests when it has it. Until
    then they go on as they are; its pods, of either version, serve should the candidate fail.
    """
    arrived = case.own_is_done or _is_relieved(case)
    if arrived and not (case.own and case.own.makes_way):
        return DONE
    if case.traffic is Traffic.CANDIDATE:
        size = case.size(100)  # whatever share a strategy that was changed meanwhile gives it
    before = case.before
    more = before is not None and before.updated_replicas != case.updated
    deadline = timeout_at(
        case.spec, case.at(RolloutPhase.PROMOTING, "", step=step, anew=more).since or case.now
    )
    trouble = case.update_trouble or (not_ready(case.spec) if case.now >= deadline else None)
    message = "the service's own workload takes the new version"
    if trouble is not None:
        message = f"{message}, and does not start ({trouble})"
    reason = trouble.reason if trouble else None
    status = case.at(RolloutPhase.PROMOTING, message, reason, step=step, weight=weight, anew=more)
    traffic = case.traffic if case.ready else Traffic.STABLE
    whole = step is None or weight == 100 or traffic is Traffic.CANDIDATE
    if traffic is not Traffic.STABLE and whole:
        traffic = case.all_requests(size)
    # Where there is no room, its pods make way for each other, until the end: then it is made again as it
    # will stay, so that nothing of it changes after the rollout.
    cramped = is_cramped(case.own_trouble) or (case.own is not None and case.own.makes_way)
    unused = traffic is case.traffic is Traffic.CANDIDATE and case.is_up(size)
    idle = cramped and unused and not arrived
    return Move(status, own_is_new=True, own_is_idle=idle, candidate=size, traffic=traffic, wake_at=deadline)


def _is_relieved(case: Case) -> bool:
    """All of the own workload is of the new version, and as much of it ready as is wanted; where there is no
    room for that, as much as of the candidate, which makes room by going.
    """
    own = case.own
    return (
        own is not None
        and own.revision == case.target.revision
        and own.uniform
        and case.ready > 0
        and own.ready >= (min(own.wanted, case.ready) if is_cramped(case.own_trouble) else own.wanted)
    )


def is_cramped(trouble: Diagnosis | None) -> bool:
    """There is no room for all pods of both workloads, and those that an update needs beyond them."""
    return trouble is not None and trouble.reason in _NO_ROOM


_NO_ROOM: Final = (StartReason.UNSCHEDULABLE, StartReason.QUOTA_EXCEEDED)


def aborted(case: Case, why: Diagnosis) -> Move:
    """The old version serves again, until the spec asks for another one."""
    message = (
        f"the new version was given up ({why}), and the old one serves: change the "
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
    return Diagnosis("NotReady", too_slow(spec))
