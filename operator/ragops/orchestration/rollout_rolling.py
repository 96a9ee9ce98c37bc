"""RollingUpdate: the workload's controller replaces pod by pod."""

from ragops.api.status import RolloutPhase
from ragops.orchestration.diagnosis import Diagnosis
from ragops.orchestration.rollout_case import DONE, Case, Move, not_ready, stopped
from ragops.orchestration.startup import timeout_at


def advance(case: Case) -> Move:
    """The next move. A version that does not come up is told, and never taken back by itself: the old pods
    that are left keep serving, and one that comes up late is taken in.
    """
    if stop := stopped(case):
        return stop
    if case.own_is_done:
        return DONE
    own = case.own
    updated = own.updated if own and own.settled and own.revision == case.target.revision else 0
    wanted, ready = (own.wanted, own.ready) if own else (0, 0)
    # A pod more begins the time limit anew.
    more = case.before is not None and case.before.updated_replicas != updated
    status = case.at(RolloutPhase.UPDATING, "", anew=more)
    deadline = timeout_at(case.spec, status.since or case.now)
    trouble = case.update_trouble or (not_ready(case.spec) if case.now >= deadline else None)
    said = {"reason": trouble and trouble.reason, "message": told(updated, wanted, ready, trouble)}
    return Move(status.model_copy(update=said), own_is_new=True, wake_at=deadline)


def told(updated: int, wanted: int, ready: int, trouble: Diagnosis | None) -> str:
    """How far an update of pods is, or why it does not go on."""
    if trouble is None:
        return f"{updated} of {wanted} pods are of the new version"
    return f"the new version does not start ({trouble}); {ready} pods keep serving"
