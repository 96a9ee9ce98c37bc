"""The operator's own checks of the pods of one service, and what they say about it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from ragops.api.health import HealthCheckSpec
from ragops.health.finding import GOOD, Finding, HealthReason, degraded, unhealthy
from ragops.health.hysteresis import Streak, Verdict


@dataclass(frozen=True)
class CheckResult:
    """One check of one pod."""

    at: datetime
    good: bool
    answered: bool
    """There was an HTTP answer, whatever it said."""
    seconds: float
    """Until the answer was there, or was given up."""
    why: str | None = None
    """Why it is not good. For status: the same for the same cause."""


@dataclass(frozen=True)
class PodChecks:
    """What is known of one pod from its checks."""

    streak: Streak = field(default_factory=Streak)
    last: CheckResult | None = None
    why: str | None = None
    """Why it is failing, as it was when that began."""

    def after(self, result: CheckResult, spec: HealthCheckSpec) -> "PodChecks":
        """One check more."""
        streak = self.streak.after(result.good, spec.failure_threshold, spec.success_threshold)
        if streak.verdict is not Verdict.FAILING:
            return PodChecks(streak, result)
        return PodChecks(streak, result, self.why or result.why)


@dataclass(frozen=True)
class Checks:
    """The checks of all pods of one service."""

    pods: Mapping[str, PodChecks] = field(default_factory=dict)
    """By uid."""
    answered: bool = False
    """Some pod has answered at some time: the operator can reach them."""
    blocked: str | None = None
    """Why the last check did not get as far as to the pod."""
    unheard: bool = False
    """Nobody has ever answered, although asked for some rounds."""

    def after(self, uid: str, result: CheckResult, spec: HealthCheckSpec) -> "Checks":
        """One check of one pod more."""
        pod = self.pods.get(uid, PodChecks()).after(result, spec)
        answered = self.answered or result.answered
        return Checks({**self.pods, uid: pod}, answered, unheard=self.unheard and not answered)

    def only(self, uids: Collection[str]) -> "Checks":
        """Without pods that are gone."""
        if self.pods.keys() <= set(uids):
            return self
        return replace(self, pods={uid: pod for uid, pod in self.pods.items() if uid in uids})

    def verdict(self, uid: str) -> Verdict:
        """What the checks of one pod say."""
        return self.pods.get(uid, PodChecks()).streak.verdict


def judge(path: str, ready: Sequence[str], checks: Checks, before: Finding) -> Finding:
    """What the checks of the `ready` pods (uids) say after they said `before`.

    Checks that nobody has ever answered say nothing: most likely the operator cannot reach the pods at all.
    What they said before is believed until each pod has been checked often enough to say something better, or
    until they are unheard: an operator that reaches nobody must not hold on to what another has found.
    """
    if not checks.answered:
        return GOOD if checks.unheard else before
    failing = [uid for uid in ready if checks.verdict(uid) is Verdict.FAILING]
    undecided = not ready or any(checks.verdict(uid) is Verdict.UNKNOWN for uid in ready)
    found = _finding(path, len(ready), [checks.pods[uid].why or "" for uid in failing])
    return before if undecided and found.better_than(before) else found


def _finding(path: str, ready: int, whys: Sequence[str]) -> Finding:
    if not whys:
        return GOOD
    if len(whys) < ready:
        text = f"the check {path} fails on {len(whys)} of {ready} ready pods ({min(whys)})"
        return degraded(HealthReason.CHECK_FAILING, text)
    where = "the only ready pod" if ready == 1 else f"all {ready} ready pods"
    return unhealthy(HealthReason.CHECK_FAILING, f"the check {path} fails on {where} ({min(whys)})")
