"""`kubectl rag wait`: what to wait for, whether it has come, and what to say when it has not."""

from dataclasses import dataclass
from typing import Final

from ragops.api.status import ConditionType, RolloutPhase
from ragops.cli.failure import Failure
from ragops.cli.rollout import place
from ragops.cli.system import ServiceView, System
from ragops.cli.text import told
from ragops.orchestration.versions import reread, version_of
from ragops.resources.pod import all_of

FORMS: Final = "condition=TYPE, condition=TYPE=STATUS, rollout=SERVICE or delete"
_TYPES: Final = {kind.lower(): kind for kind in ConditionType}
_STATUSES: Final = {status.lower(): status for status in ("True", "False", "Unknown")}


@dataclass(frozen=True)
class ConditionIs:
    """A condition has a status, of the present spec."""

    kind: ConditionType
    status: str

    def __str__(self) -> str:
        return f"{self.kind} is {self.status}"


@dataclass(frozen=True)
class RolloutDone:
    """The present spec of a service is rolled out."""

    service: str

    def __str__(self) -> str:
        return f"{self.service} is rolled out"


@dataclass(frozen=True)
class Deleted:
    """The object is gone."""

    def __str__(self) -> str:
        return "deleted"


Goal = ConditionIs | RolloutDone | Deleted


def parse_goal(text: str) -> Goal:
    """The goal that `--for` names. Raises ValueError."""
    kind, _, rest = text.partition("=")
    if kind == "delete" and not rest:
        return Deleted()
    if kind == "rollout" and rest:
        return RolloutDone(rest)
    name, _, status = rest.partition("=")
    if kind != "condition" or name.lower() not in _TYPES:
        raise ValueError(f"{text!r} is not one of {FORMS}; types: {', '.join(ConditionType)}")
    if (status or "True").lower() not in _STATUSES:
        raise ValueError(f"{status!r} is not a status; use True, False or Unknown")
    return ConditionIs(_TYPES[name.lower()], _STATUSES[(status or "True").lower()])


def is_met(goal: Goal, system: System | None) -> bool:
    """Whether it has come; `system` is None when the object is gone. Raises Failure when it cannot come."""
    match goal:
        case Deleted():
            return system is None
        case ConditionIs():
            condition = _present(system).condition(goal.kind)
            current = condition is not None and condition.observed_generation == _present(system).generation
            return current and condition is not None and condition.status == goal.status
        case RolloutDone():
            present = _present(system)
            status = present.service(goal.service).status
            if status is None or not present.followed:
                return False
            if status.rollout and status.rollout.phase is RolloutPhase.ABORTED:
                why = told(status.rollout.reason, status.rollout.message)
                raise Failure(f"the rollout of {goal.service} was aborted" + (f" ({why})" if why else ""))
            done = status.rollout is None and _holds_back(present) is None
            return done and _is_stable(present.service(goal.service))


def why_not(goal: Goal, system: System) -> str:
    """What stands in the way, in one line."""
    more = f"; see kubectl rag explain {system.name}"
    if isinstance(goal, Deleted):
        finalizers = ", ".join(system.raw["metadata"].get("finalizers") or ())
        return f"it still exists{f', held by the finalizers {finalizers}' if finalizers else ''}"
    if not system.followed:
        return f"the operator has not acted on generation {system.generation} yet: does it run?{more}"
    if isinstance(goal, RolloutDone):
        service = system.service(goal.service)
        if (held := _holds_back(system)) is not None:
            return f"{held}{more}"
        if service.status is None or service.status.rollout is None:
            return f"{goal.service} was not rolled out in full yet{more} {goal.service}"
        return f"it is {place(service)}; see kubectl rag rollout status {system.name} {goal.service}"
    condition = system.condition(goal.kind)
    if condition is None:
        return f"there is no such condition yet{more}"
    return f"it is {condition.status}, {told(condition.reason, condition.message)}{more}"


def _holds_back(system: System) -> str | None:
    """Why the operator does not act on the spec; None where it does."""
    if system.paused:
        return "spec.paused is true: nothing is changed"
    accepted = system.condition(ConditionType.ACCEPTED)
    if accepted is not None and accepted.status == "False":
        return f"the spec is not accepted: {told(accepted.reason, accepted.message)}"
    return None


def _is_stable(service: ServiceView) -> bool:
    """The version that was last rolled out is that of the spec, whatever image a default one stands for."""
    stable = service.status.stable if service.status else None
    if service.spec is None or stable is None:
        return False
    image = str(stable.spec.get("image"))
    images = all_of(image)
    return reread(service.spec, stable, images) == version_of(service.spec, images)


def _present(system: System | None) -> System:
    if system is None:
        raise Failure("it was deleted meanwhile")
    return system
