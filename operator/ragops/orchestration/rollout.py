"""The version of each service: which one its workloads are made from, and how a new one takes its place.

All that a rollout knows of itself is in status, and what it does next follows from that and from what is
seen, so it goes on wherever it was killed. Two rules hold whatever a strategy wants: the second workload is
deleted, or gets another version, only when the Service is seen not to select it; and a service waits with its
own new version until those that it requires have theirs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ragops.api.base import ServiceType
from ragops.api.names import ROLLOUT_COMMAND_PREFIX
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.api.status import HealthState, RolloutPhase, RolloutStatus, ServiceStatus, VersionStatus
from ragops.api.traffic import CanarySpec, RolloutStrategy
from ragops.health.assess import Evidence
from ragops.health.hysteresis import Verdict
from ragops.orchestration import rollout_bluegreen, rollout_canary, rollout_rolling
from ragops.orchestration.graph import upstreams
from ragops.orchestration.known import Known
from ragops.orchestration.observation import Observation
from ragops.orchestration.rollout_case import Case, Command, Move, is_cramped, stopped
from ragops.orchestration.versions import at_rest, at_version, kept, reread, version_of
from ragops.resources.children import Build, Candidate, Variants
from ragops.resources.pod import Images
from ragops.resources.variant import Traffic, Variant

EXPECTED: Final = ("UpstreamUpdating", "UpstreamFailed", "WaitingForPromotion", "Inconclusive")
"""Reasons of rollouts that wait, and are not in trouble themselves."""


@dataclass(frozen=True)
class Outcome:
    """What the workloads of a service are made from in this pass, and what status tells of its versions."""

    variants: Variants
    status: RolloutStatus | None = None
    stable: VersionStatus | None = None
    previous: VersionStatus | None = None
    keeps_candidate: bool = False
    """The second workload stays as it is: the Service still selects it."""
    keeps_own: bool = False
    """The own workload stays as it is: its version is not known, and it is not its turn to be updated."""
    wake_at: datetime | None = None


def roll_out(
    rag: RAGDeployment,
    services: Sequence[Known],
    seen: Observation,
    images: Images,
    now: datetime,
) -> dict[str, Outcome]:
    """The outcome of each service. `services` are in start order: upstream services come first."""
    specs = {service.spec.name: service.spec for service in services}
    known = {service.spec.name: service for service in services}
    outcomes: dict[str, Outcome] = {}
    for service in services:
        name = service.spec.name
        required = upstreams(name, specs, only_required=True)
        behind = {
            n: outcome.status
            for n, outcome in outcomes.items()
            if n in required and (not known[n].was_ready or outcome.status is not None)
        }
        case = _Versions(rag, service, seen, images, behind, now)
        outcomes[name] = _frozen(service, images) if rag.spec.paused else _outcome(case)
    return outcomes


@dataclass(frozen=True)
class _Versions:
    """One service, and the required services before it that are not up to date yet, with their rollouts."""

    rag: RAGDeployment
    service: Known
    seen: Observation
    images: Images
    behind: Mapping[str, RolloutStatus | None]
    now: datetime


def _frozen(service: Known, images: Images) -> Outcome:
    """While the RAGDeployment is paused."""
    before = service.previous
    return Outcome(
        at_rest(service.spec, images),
        status=before.rollout if before else None,
        stable=before.stable if before else None,
        previous=before.previous if before else None,
    )


def _outcome(this: _Versions) -> Outcome:
    service, images = this.service, this.images
    target = version_of(service.spec, images)
    before = service.previous
    stored = before.stable if before else None
    stable = reread(service.spec, stored, images) if stored else None
    previous = before.previous if before else None
    selector = service.workload.selector if service.workload else None
    resting = Outcome(
        Variants(Build(service.spec, target.revision, selector)), stable=stable, previous=previous
    )
    if not service.was_ready:
        return _guarded(service, resting)
    if stable is None:
        return _guarded(service, _unrecorded(this, target, resting))
    if stable.revision == target.revision:
        return _guarded(service, resting)
    old = at_version(service.spec, stable)
    assert old is not None, "it was read just now"
    move = _move(this, target)
    if move.status is None:
        return _guarded(service, replace(resting, stable=target, previous=kept(stable)))
    new = Build(service.spec, target.revision)
    own = new if move.own_is_new else Build(old, stable.revision)
    variants = Variants(
        own=replace(own, selector=selector, idle=move.own_is_idle),
        candidate=None if move.candidate is None else Candidate(new, move.candidate),
        traffic=move.traffic,
    )
    wanted = Outcome(variants, _with_target(move.status, target), stable, previous, wake_at=move.wake_at)
    return _guarded(service, wanted)


def _with_target(status: RolloutStatus, target: VersionStatus) -> RolloutStatus:
    return status.model_copy(update={"revision": target.revision, "target": kept(target)})


def _unrecorded(this: _Versions, target: VersionStatus, resting: Outcome) -> Outcome:
    """No version is recorded: it is the first one, status has lost it, or the operator before knew of none.
    What is there becomes it once it is what the spec asks for, in its turn and by a rolling update: no other
    version is known that could serve meanwhile.
    """
    own = this.service.workload
    if own is None:
        return resting
    case = _case(this, target)
    if own.revision == target.revision:
        if own.uniform and (own.ready or not own.wanted):
            return replace(resting, stable=target)
    elif case.phase is RolloutPhase.ABORTED:
        return replace(resting, status=case.before, keeps_own=True)
    elif this.behind:
        return replace(resting, status=_waiting(case, this.behind).status, keeps_own=True)
    move = rollout_rolling.advance(replace(case, command=None))
    return replace(
        resting, status=move.status, stable=target if move.status is None else None, wake_at=move.wake_at
    )


def _guarded(service: Known, wanted: Outcome) -> Outcome:
    """What no strategy has to think of: nobody loses requests, and nobody gets any too early."""
    return _reachable(service, _undisturbed(service, _helped_out(service, wanted)))


def _helped_out(service: Known, wanted: Outcome) -> Outcome:
    """Requests come back to the own workload when all of it is there: until then the second one, which had
    them, helps out, unless it was given up, or takes the room that the own one needs.
    """
    own, candidate, variants = service.workload, service.candidate, wanted.variants
    given_up = wanted.status is not None and wanted.status.phase is RolloutPhase.ABORTED
    if own is None or candidate is None or variants.traffic is not Traffic.STABLE or given_up:
        return wanted
    serves = service.traffic is not Traffic.STABLE and candidate.ready > 0
    arrived = own.uniform and own.revision == variants.own.revision
    relieved = arrived and own.ready >= candidate.ready and is_cramped(service.own_trouble)
    if not serves or own.ready >= own.wanted or relieved:
        return wanted
    return replace(wanted, variants=replace(variants, traffic=Traffic.BOTH))


def _reachable(service: Known, wanted: Outcome) -> Outcome:
    """Pods of operators before do not say of which variant they are: until all of the own ones do, the
    Service selects every pod, and there is no second workload that would get requests by that.
    """
    own, variants, alone = service.workload, wanted.variants, service.candidate is None
    if own is None or service.spec.type is ServiceType.VECTOR_STORE or variants.traffic is not Traffic.STABLE:
        return wanted
    open_to_all = service.traffic is Traffic.BOTH
    unlabelled = not own.labelled and (alone or open_to_all)
    if not unlabelled and (not alone or not open_to_all or own.uniform):
        return wanted
    candidate = None if alone else variants.candidate
    return replace(wanted, variants=replace(variants, traffic=Traffic.BOTH, candidate=candidate))


def _undisturbed(service: Known, wanted: Outcome) -> Outcome:
    """The second workload is left alone as long as it may get requests."""
    live, variants = service.candidate, wanted.variants
    if live is None or service.traffic is Traffic.STABLE:
        return wanted
    if variants.candidate is not None and variants.candidate.build.revision == live.revision:
        return wanted
    return replace(wanted, variants=replace(variants, candidate=None), keeps_candidate=True)


def _move(this: _Versions, target: VersionStatus) -> Move:
    """What the strategy says, once it is this service's turn."""
    service = this.service
    case = _case(this, target)
    begun = case.before is not None and case.before.phase is not RolloutPhase.WAITING
    if this.behind and not begun:
        return stopped(case) or _waiting(case, this.behind)
    own = service.workload
    strategy = service.spec.rollout.strategy
    nothing_runs = own is not None and own.wanted == 0 and service.candidate is None
    if service.spec.type is ServiceType.VECTOR_STORE or nothing_runs:
        strategy = RolloutStrategy.ROLLING_UPDATE
    match strategy:
        case RolloutStrategy.BLUE_GREEN:
            return rollout_bluegreen.advance(case)
        case RolloutStrategy.CANARY:
            settings = service.spec.rollout.canary
            assert isinstance(settings, CanarySpec), "a rule of the API"
            return rollout_canary.advance(case, settings)
        case _:
            return rollout_rolling.advance(case)


def _case(this: _Versions, target: VersionStatus) -> Case:
    service = this.service
    stored = service.previous.rollout if service.previous else None
    before = stored if stored and _is_of(service.spec, stored, target, this.images) else None
    told = this.rag.metadata.annotations.get(f"{ROLLOUT_COMMAND_PREFIX}{service.spec.name}")
    old_command = before.old_command if before else told
    candidate = service.candidate
    return Case(
        spec=service.spec,
        target=target,
        before=before,
        own=service.workload,
        candidate=candidate if candidate and candidate.revision == target.revision else None,
        traffic=service.traffic,
        now=this.now,
        own_trouble=service.own_trouble,
        candidate_trouble=service.candidate_trouble,
        unhealthy_since=_unhealthy_since(service.previous),
        checks=_checks(service, this.seen),
        comparison=this.seen.comparisons.get(service.spec.name),
        by_weight=service.through_gateway,
        command=None if told == old_command else command_of(told, target.revision),
        old_command=old_command,
    )


def _is_of(spec: ServiceSpec, rollout: RolloutStatus, target: VersionStatus, images: Images) -> bool:
    """The rollout is of this version, to which another operator may have given another revision."""
    if rollout.revision == target.revision or rollout.target is None:
        return rollout.revision == target.revision
    return reread(spec, rollout.target, images) == target


def _unhealthy_since(before: ServiceStatus | None) -> datetime | None:
    """By the service's own fault."""
    if before is None or before.health.state is not HealthState.UNHEALTHY or before.health.caused_by:
        return None
    return before.health.last_transition


def _checks(service: Known, seen: Observation) -> tuple[Verdict, ...]:
    """What the operator's own check says of the ready pods of the candidate; nothing where nobody answers."""
    name = service.spec.name
    checks = seen.evidence.get(name, Evidence()).checks
    if not checks.answered:
        return ()
    pods = (pod for pod in seen.pods_of(name) if pod.ready and pod.variant is Variant.CANDIDATE)
    return tuple(checks.verdict(pod.uid) for pod in pods)


def command_of(told: str | None, revision: str) -> Command | None:
    """What a person has told this very rollout; a command for another version is none. What may stand behind
    the revision tells two commands for it apart.
    """
    word, _, rest = (told or "").partition(":")
    meant = rest.partition(":")[0] == revision
    return next((command for command in Command if meant and word == command), None)


def _waiting(case: Case, behind: Mapping[str, RolloutStatus | None]) -> Move:
    failed = [name for name, status in behind.items() if status is not None and is_troubled(status)]
    names = ", ".join(failed or behind)
    if failed:
        message = f"the update of {names} has failed: until it is mended, the old version serves"
        status = case.at(RolloutPhase.WAITING, message, "UpstreamFailed")
    else:
        message = f"{names} must be updated and ready first"
        status = case.at(RolloutPhase.WAITING, message, "UpstreamUpdating")
    return Move(status.model_copy(update={"waiting_for": list(behind)}))


def is_troubled(rollout: RolloutStatus) -> bool:
    """It does not go on by itself, or was aborted."""
    return rollout.reason is not None and rollout.reason not in EXPECTED
