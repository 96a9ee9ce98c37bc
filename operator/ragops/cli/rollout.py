"""Rollouts for people: what one is at, what comes next, and what promote and abort ask of the operator."""

from datetime import datetime, timedelta
from typing import Final

from ragops.api.names import ROLLOUT_COMMAND_PREFIX
from ragops.api.service import ServiceSpec
from ragops.api.status import RolloutPhase, RolloutStatus, ServiceStatus
from ragops.api.traffic import BlueGreenSpec
from ragops.cli.failure import Failure
from ragops.cli.system import ServiceView, System
from ragops.cli.text import told
from ragops.cli.times import moment, since
from ragops.orchestration.rollout import command_of
from ragops.orchestration.rollout_case import Command

REVISION_CHARACTERS: Final = 10


def revision(full: str) -> str:
    """A revision as it is shown."""
    return full[:REVISION_CHARACTERS] or "unknown"


def under_way(status: ServiceStatus | None) -> RolloutStatus | None:
    """The rollout that goes on; an aborted one does not."""
    rollout = status.rollout if status else None
    return rollout if rollout and rollout.phase is not RolloutPhase.ABORTED else None


def is_repair(status: ServiceStatus | None) -> bool:
    """Its pods become those of the version that is the stable one already."""
    rollout, stable = (status.rollout, status.stable) if status else (None, None)
    return rollout is not None and stable is not None and rollout.revision == stable.revision


def place(service: ServiceView) -> str:
    """Where a rollout is, in a few words: Shifting 20%, step 2 of 4."""
    rollout = service.status.rollout if service.status else None
    assert rollout is not None, "only called for a service with a rollout"
    text, steps = str(rollout.phase), _steps(service.spec)
    if rollout.phase is RolloutPhase.WAITING:
        return f"{text} for {', '.join(rollout.waiting_for) or 'an upstream service'}"
    if rollout.phase is RolloutPhase.UPDATING:
        return f"{text}, {rollout.updated_replicas} of {service.wanted} pods are new"
    if rollout.phase is RolloutPhase.ABORTED:
        return text
    if rollout.weight_percent:
        text += f" {rollout.weight_percent}%"
    if rollout.step is not None:
        text += f", step {rollout.step + 1}" + (f" of {steps}" if steps else "")
    return text


def describe(system: System, service: ServiceView, now: datetime) -> list[str]:
    """All that is known of the rollout of a service, ending with what to do."""
    status = service.status
    if status is None:
        return ["the operator has not seen this service yet"]
    rollout = status.rollout
    if rollout is None:
        return _at_rest(system, service, status)
    kind = f"{service.spec.rollout.strategy} of " if service.spec else ""
    lines = [f"{kind}version {revision(rollout.revision)}: {place(service)}"]
    if rollout.since:
        lines[0] += f", since {since(rollout.since, now)}"
    if text := told(rollout.reason, rollout.message):
        lines.append(text)
    if status.stable:
        lines.append(f"version {revision(status.stable.revision)} is the one to go back to")
    if rollout.ready_replicas:
        lines.append(f"ready pods of the second workload: {rollout.ready_replicas}")
    if asked := asked_for(system, service.name):
        lines.append(f"{asked} was asked for; the operator acts on it as soon as it can")
    lines += upcoming(service, rollout, now)
    lines.append(f"next: {advice(system, service, rollout)}")
    return lines


def upcoming(service: ServiceView, rollout: RolloutStatus, now: datetime) -> list[str]:
    """What comes next by itself, and when."""
    spec = service.spec
    if spec is None or rollout.since is None:
        return []
    blue_green = spec.rollout.blue_green or BlueGreenSpec()
    match rollout.phase:
        case RolloutPhase.STARTING:
            seconds, what = spec.startup.timeout_seconds, "it is aborted unless the new pods are ready by"
        case RolloutPhase.CHECKING:
            seconds, what = blue_green.check_seconds, "healthy until then, it goes on at"
        case RolloutPhase.SWITCHED:
            seconds, what = blue_green.scale_down_delay_seconds, "the old version is kept until"
        case RolloutPhase.SHIFTING if spec.rollout.canary and rollout.step is not None:
            steps = spec.rollout.canary.steps
            seconds = steps[min(rollout.step, len(steps) - 1)].pause_seconds
            what = "judged good, it goes on at the earliest at"
        case _:
            return []
    return [f"{what} {moment(rollout.since + timedelta(seconds=seconds), now)}"]


def advice(system: System, service: ServiceView, rollout: RolloutStatus) -> str:
    """The right next step for a person."""
    promote, abort, undo = (f"{_command(system, service, command)}" for command in (*Command, "undo"))
    if system.paused:
        return "spec.paused is true and nothing goes on; set it to false"
    match rollout.phase:
        case RolloutPhase.PAUSED:
            return f"{promote}, or {abort}"
        case RolloutPhase.ABORTED:
            return f"correct the spec and apply it, or {undo}"
        case RolloutPhase.WAITING:
            upstream = rollout.waiting_for[0] if rollout.waiting_for else ""
            return f"nothing; what it waits for: kubectl rag rollout status {system.name} {upstream}".rstrip()
        case RolloutPhase.UPDATING if is_repair(service.status):
            return "nothing" if rollout.reason is None else "mend what keeps its pods from getting ready"
        case RolloutPhase.UPDATING if rollout.reason:
            return f"correct the spec and apply it, or {undo}"
        case _:
            return f"nothing; to stop it: {abort}"


def asked_for(system: System, name: str) -> Command | None:
    """What a person has asked of the rollout under way, and has not come yet."""
    rollout = under_way(system.known(name))
    value = system.annotations.get(ROLLOUT_COMMAND_PREFIX + name)
    if rollout is None or value == rollout.old_command:
        return None
    asked = command_of(value, rollout.revision)
    promoted = rollout.phase in (RolloutPhase.SWITCHED, RolloutPhase.PROMOTING)
    return None if asked is Command.PROMOTE and promoted else asked


def order(system: System, name: str, command: Command) -> dict[str, str]:
    """The annotation that asks for it. Raises Failure where there is nothing to promote or abort."""
    service = system.service(name)
    rollout = service.status.rollout if service.status else None
    if rollout is None:
        raise Failure(f"{name} of {system.name} has no rollout under way: there is nothing to {command}")
    if rollout.phase is RolloutPhase.ABORTED:
        raise Failure(
            f"the rollout of {name} to {revision(rollout.revision)} was aborted already; correct the spec, "
            f"or {_command(system, service, 'undo')}"
        )
    if is_repair(service.status):
        raise Failure(
            f"the pods of {name} are replaced by ones of the same version, as a new operator does it: "
            f"there is nothing to {command}"
        )
    if command is Command.PROMOTE and rollout.phase is RolloutPhase.UPDATING:
        raise Failure(f"{name} is updated pod by pod, which goes on by itself: there is nothing to promote")
    unserved = rollout.phase is RolloutPhase.STARTING and not rollout.step
    if command is Command.PROMOTE and (unserved or rollout.phase is RolloutPhase.WAITING):
        raise Failure(
            f"the rollout of {name} is {place(service)}: the new version does not serve yet, so there is "
            "nothing to promote"
        )
    if command is Command.PROMOTE and rollout.phase in (RolloutPhase.SWITCHED, RolloutPhase.PROMOTING):
        raise Failure(f"the rollout of {name} is {rollout.phase}: it has been promoted already")
    return {ROLLOUT_COMMAND_PREFIX + name: _value(command, rollout)}


def _at_rest(system: System, service: ServiceView, status: ServiceStatus) -> list[str]:
    if status.stable is None:
        return ["no rollout under way, and no version was rolled out in full yet"]
    lines = [f"no rollout under way; version {revision(status.stable.revision)} runs"]
    if status.previous is not None:
        back = _command(system, service, "undo")
        lines.append(f"to go back to version {revision(status.previous.revision)}: {back}")
    return lines


def _value(command: Command, rollout: RolloutStatus) -> str:
    """Another one than a command that an earlier rollout of the same version was given."""
    value = f"{command}:{rollout.revision}"
    return f"{value}:again" if value == rollout.old_command else value


def _command(system: System, service: ServiceView, command: str) -> str:
    return f"kubectl rag rollout {command} {system.name} {service.name}"


def _steps(spec: ServiceSpec | None) -> int | None:
    return len(spec.rollout.canary.steps) if spec and spec.rollout.canary else None
