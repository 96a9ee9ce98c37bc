"""One pass, as a pure function: from the wanted system and what is seen to what to do next."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from ragops.api.base import ServiceType
from ragops.api.names import GATEWAY, credentials_name
from ragops.api.problems import Problem
from ragops.api.rag import FailurePolicy, RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.api.status import HealthState, RAGStatus, ScalingAction, ServiceState, ServiceStatus
from ragops.orchestration.actions import Apply, CreateCredentials, Delete, Plan, Scale
from ragops.orchestration.assessment import assess_all, next_look
from ragops.orchestration.conditions import accepted, merge, unfollowed
from ragops.orchestration.diagnosis import diagnose, look_again
from ragops.orchestration.gateway import Gateway, lists, plan_gateway
from ragops.orchestration.graph import start_order
from ragops.orchestration.known import Known, serving_workload
from ragops.orchestration.observation import Observation, Workload, workload_view
from ragops.orchestration.owners import left_to, owner_of
from ragops.orchestration.report import calm_forgotten, report
from ragops.orchestration.rollout import Outcome, roll_out
from ragops.orchestration.routing import routed, seen_traffic
from ragops.orchestration.startup import begun, first_start, progress, timeout_at
from ragops.resources.child import HASH_ANNOTATION, ChildRef, Manifest, ref_of
from ragops.resources.children import Variants, build_children, candidate_ref, workload_ref
from ragops.resources.difference import differs
from ragops.resources.pod import Images
from ragops.resources.variant import Traffic, Variant
from ragops.scaling.decide import decide
from ragops.scaling.decision import Decision
from ragops.scaling.record import Record, Subject
from ragops.scaling.window import Window

CLUSTER_DOMAIN: Final = "cluster.local"
"""Of the cluster's DNS, as most clusters have it."""


def plan(
    rag: RAGDeployment,
    seen: Observation,
    images: Images,
    now: datetime,
    cluster_domain: str = CLUSTER_DOMAIN,
) -> Plan:
    """What one pass does. `rag` is resolved and without problems."""
    services = _progress(rag, seen, now.replace(microsecond=0))
    records = () if rag.spec.paused else tuple(_records(rag, services, seen, now))
    decisions = {record.subject.service: record.decision for record in records}
    rollouts = roll_out(rag, services, seen, images, now)
    gateway = plan_gateway(rag, services, rollouts, seen, images, cluster_domain, now)
    wanted = [
        (s, child)
        for s in services
        if s.progress.started
        for child in build_children(rag, s.spec, images, _variants(s, rollouts[s.spec.name], gateway))
        if ref_of(child) != s.ref or not rollouts[s.spec.name].keeps_own
    ]
    applies = () if rag.spec.paused else (*_of_gateway(gateway, seen), *_applies(wanted, seen))
    changed = {apply.ref for apply in applies if apply.exists}
    services = [_restarted(s, changed, now.replace(microsecond=0)) for s in services]
    assessed = assess_all(services, seen, now)
    healths = {name: assessment.status for name, assessment in assessed.items()}
    applied = {apply.ref for apply in applies}
    status = report(rag, services, applied, decisions, healths, rollouts, gateway.status, now)
    looks = [at for at in (next_look(services, assessed), gateway.wake_at) if at]
    due = Plan(
        health={name: assessment.memory for name, assessment in assessed.items()},
        wake_at=_wake_at(services, decisions, rollouts, looks, status, now),
        status=status if status != rag.status else None,
    )
    if rag.spec.paused:
        return due
    return replace(
        due,
        credentials=tuple(_credentials(rag, services, seen)),
        applies=applies,
        deletes=tuple(_deletes(_all_kept(rag, wanted, rollouts, gateway), seen)),
        annotations=gateway.annotations,
        scales=tuple(_scales(services, decisions, seen)),
        records=records,
    )


def reject(status: RAGStatus, generation: int, problems: Sequence[Problem], now: datetime) -> Plan:
    """The pass for a spec that cannot be acted on: say so, and leave all that runs as it is."""
    current = [accepted(problems), *unfollowed(started=bool(status.services))]
    conditions = merge(status.conditions, current, generation, now.replace(microsecond=0))
    rejected = status.model_copy(update={"conditions": conditions, "observed_generation": generation})
    return Plan(status=rejected if rejected != status else None)


def _progress(rag: RAGDeployment, seen: Observation, now: datetime) -> list[Known]:
    """All services in start order: first those that run, since they decide which others may start."""
    halting = rag.spec.startup.failure_policy is FailurePolicy.HALT
    order = [_known(rag, spec, seen, now) for spec in start_order(rag.spec.services)]
    running = {k.spec.name: k.progress for k in order if k.progress.started}
    ready = {name for name, progress in running.items() if progress.ready}
    halted = halting and any(p.state is ServiceState.FAILED for p in running.values())
    if rag.spec.paused:
        return order  # what has not been started waits
    return [
        k if k.progress.started else replace(k, progress=first_start(k.spec, ready, halted, now))
        for k in order
    ]


def _known(rag: RAGDeployment, spec: ServiceSpec, seen: Observation, now: datetime) -> Known:
    ref = workload_ref(rag.metadata.name, spec)
    live = seen.children.get(ref)
    workload = workload_view(live) if live else None
    previous = next((s for s in rag.status.services if (s.name, s.type) == (spec.name, spec.type)), None)
    if previous is not None and rag.status.observed_generation != rag.metadata.generation:
        previous = calm_forgotten(previous)  # it was calm by other rules
    second = seen.children.get(candidate_ref(rag.metadata.name, spec))
    candidate = workload_view(second) if second else None
    reports = seen.gateways.values() if second else ()
    traffic = seen_traffic(rag.metadata.name, spec, seen.children, reports)
    failure, pods = seen.failures.get(spec.name), seen.pods_of(spec.name)
    workloads = {Variant.STABLE: workload, Variant.CANDIDATE: candidate}
    parts = {v: [p for p in pods if p.variant is v] for v in Variant}
    idle = {v: _unready_since(workloads[v], previous, now) for v in Variant}
    troubles = {v: diagnose(parts[v], failure, now, workloads[v], idle[v]) for v in Variant}
    serving = serving_workload(workload, candidate, traffic)
    trouble = troubles[Variant.CANDIDATE if traffic is Traffic.CANDIDATE else Variant.STABLE]
    return Known(
        spec,
        previous,
        ref,
        workload,
        progress(spec, previous, serving, trouble, now),
        own_trouble=troubles[Variant.STABLE],
        candidate=candidate,
        candidate_trouble=troubles[Variant.CANDIDATE],
        traffic=traffic,
        through_gateway=spec.name in routed(rag.metadata.name, [spec], seen.children),
        look_again=tuple(at for v in Variant for at in look_again(parts[v], workloads[v], idle[v])),
    )


def _unready_since(
    workload: Workload | None, previous: ServiceStatus | None, now: datetime
) -> datetime | None:
    """Since when a workload has had no ready pod, as far as is known; None where it has one."""
    if workload is None or workload.ready:
        return None
    if previous is None or previous.startup.ready_at is None:
        return workload.created
    since = previous.health.last_transition if previous.health.state is HealthState.UNHEALTHY else now
    return max(workload.created, since) if since else None  # one that was made since has had no time yet


def _restarted(service: Known, changed: Set[ChildRef], now: datetime) -> Known:
    """A service that is changed before it was ever ready, most likely to mend it, begins its start anew."""
    if service.was_ready or service.ref not in changed:
        return service
    return replace(service, progress=begun(now))


def _records(
    rag: RAGDeployment, services: Iterable[Known], seen: Observation, now: datetime
) -> Iterator[Record]:
    """The decision of every service that we scale."""
    for service in services:
        policy = service.spec.autoscaling
        if policy is None or not service.scaled or service.workload is None:
            continue
        owner = owner_of(service.ref, seen.scalers)
        if owner is None and not service.was_ready and service.wanted >= policy.min_replicas:
            continue  # the start has its own timeout; there is nothing to measure yet
        replicas = service.replicas
        window = seen.windows.get(service.spec.name, Window())
        state = service.scaling_state(now)
        yield Record(
            subject=Subject(rag.metadata.namespace, rag.metadata.name, service.spec.name),
            at=now,
            policy=policy,
            replicas=replicas,
            window=window,
            state=state,
            decision=left_to(owner, service.wanted)
            if owner
            else decide(policy, replicas, window, state, now),
        )


def _variants(service: Known, outcome: Outcome, gateway: Gateway) -> Variants:
    """What the children of a service are made from: by its rollout, and by its way through the gateway."""
    variants = _as_large(service, outcome.variants)
    if service.spec.type is ServiceType.VECTOR_STORE or not gateway.lists_pods:
        return variants
    port = gateway.ports.get(service.spec.name)
    return replace(variants, listed=lists(service, outcome), gateway_port=port)


def _as_large(service: Known, variants: Variants) -> Variants:
    """A workload that somebody has deleted is made again with the replicas that it had, where they belong to
    a scaler or a person: those have them again with the next pass.
    """
    before, own = service.previous, variants.own
    lost = before is not None and before.startup.ready_at is not None and service.workload is None
    if before is None or not lost or own.service.replicas is not None:
        return variants
    replicas = before.scaling.desired if before.scaling else before.replicas
    return replace(variants, own=replace(own, service=own.service.model_copy(update={"replicas": replicas})))


def _scales(
    services: Iterable[Known], decisions: Mapping[str, Decision], seen: Observation
) -> Iterator[Scale]:
    for service in services:
        decision = decisions.get(service.spec.name)
        if decision is not None and decision.action is not ScalingAction.HOLD:
            yield Scale(service.spec.name, service.ref, decision, seen.children[service.ref])


def _credentials(
    rag: RAGDeployment, services: Iterable[Known], seen: Observation
) -> Iterator[CreateCredentials]:
    """The Secret goes before the workload. Should it vanish, the pods that need it tell; we never read it."""
    starved = any(pod.waiting_reason == "CreateContainerConfigError" for pod in seen.pods)
    for service in services:
        if service.spec.type is not ServiceType.VECTOR_STORE or not service.progress.started:
            continue
        if service.workload is None or starved:
            yield CreateCredentials(service.spec.name, credentials_name(rag.metadata.name, service.spec.name))


def _applies(wanted: Iterable[tuple[Known, Manifest]], seen: Observation) -> Iterator[Apply]:
    for service, manifest in wanted:
        live = seen.children.get(ref_of(manifest))
        if live is None or _is_old(live, manifest):
            yield Apply(service.spec.name, manifest, live, _hand_over(service, manifest) if live else None)


def _of_gateway(gateway: Gateway, seen: Observation) -> Iterator[Apply]:
    for manifest in gateway.children:
        live = seen.children.get(ref_of(manifest))
        if live is None or _is_old(live, manifest):
            yield Apply(GATEWAY, manifest, live)


def _is_old(live: Manifest, wanted: Manifest) -> bool:
    return _hash(live) != _hash(wanted) or differs(wanted, live)


def _hand_over(service: Known, manifest: Manifest) -> int | None:
    drops = ref_of(manifest) == service.ref and "replicas" not in manifest["spec"]
    if not drops or service.workload is None or not service.workload.manifests_own_replicas:
        return None
    return service.workload.wanted


def _hash(obj: Mapping[str, object]) -> object:
    metadata = obj["metadata"]
    return (metadata.get("annotations") or {}).get(HASH_ANNOTATION) if isinstance(metadata, Mapping) else None


def _all_kept(
    rag: RAGDeployment,
    wanted: Iterable[tuple[Known, Manifest]],
    rollouts: Mapping[str, Outcome],
    gateway: Gateway,
) -> Iterator[ChildRef]:
    yield from (ref_of(child) for _, child in wanted)
    yield from (ref_of(child) for child in gateway.children)
    yield from gateway.kept
    yield from _kept(rag, rollouts)


def _kept(rag: RAGDeployment, rollouts: Mapping[str, Outcome]) -> Iterator[ChildRef]:
    """Workloads that are to stay as they are for now."""
    for spec in rag.spec.services:
        if rollouts[spec.name].keeps_own:
            yield workload_ref(rag.metadata.name, spec)
        if rollouts[spec.name].keeps_candidate:
            yield candidate_ref(rag.metadata.name, spec)


def _deletes(wanted: Iterable[ChildRef], seen: Observation) -> Iterator[Delete]:
    """Children whose service is gone from the spec, dependents' objects in no particular order."""
    keep = set(wanted)
    for ref, live in sorted(seen.children.items()):
        if ref not in keep and "deletionTimestamp" not in live["metadata"]:
            yield Delete(ref, live["metadata"]["uid"])


def _wake_at(
    services: Iterable[Known],
    decisions: Mapping[str, Decision],
    rollouts: Mapping[str, Outcome],
    looks: Iterable[datetime],
    status: RAGStatus,
    now: datetime,
) -> datetime | None:
    """The next moment at which time alone changes the outcome, those of `looks` among them."""
    moments = list(looks)
    updating = {s.name: s.rollout.since for s in status.services if s.rollout and s.rollout.since}
    moments += [rollout.wake_at for rollout in rollouts.values() if rollout.wake_at]
    for service in services:
        moments += service.look_again
        if since := updating.get(service.spec.name):
            moments.append(timeout_at(service.spec, since))
        startup = service.progress.startup
        if service.progress.state is ServiceState.STARTING and startup.started_at:
            moments.append(timeout_at(service.spec, startup.started_at))
        decision, policy = decisions.get(service.spec.name), service.spec.autoscaling
        if decision and decision.cooldown_until:
            moments.append(decision.cooldown_until)
        if decision and policy and decision.stable_since:
            moments.append(decision.stable_since + timedelta(seconds=policy.stability_seconds or 0))
    return min((moment for moment in moments if moment > now), default=None)
