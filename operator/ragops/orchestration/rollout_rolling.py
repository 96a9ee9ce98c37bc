"""RollingUpdate: the workload's controller replaces pod by pod."""

from datetime import timedelta

from ragops.api.status import RolloutPhase
from ragops.orchestration.rollout_case import DONE, Case, Move, not_ready, stopped
from ragops.orchestration.times import next_second


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
    status = case.at(RolloutPhase.UPDATING, f"{updated} of {wanted} pods are of the new version")
    if case.before and case.before.updated_replicas != updated:
        status = status.model_copy(
            update={"since": next_second(case.now)}
        )  # a pod more begins the time limit anew
    deadline = (status.since or case.now) + timedelta(seconds=case.spec.startup.timeout_seconds)
    trouble = case.own_trouble or (not_ready(case.spec) if case.now >= deadline else None)
    if trouble is not None:
        why = f"the new version does not start ({trouble.reason}: {trouble.message})"
        message = f"{why}; {ready} pods keep serving"
        status = status.model_copy(update={"reason": trouble.reason, "message": message})
    return Move(status, own_is_new=True, wake_at=deadline)
