"""The gateway in a pass: what it is told, and which services' requests go through it.

A service goes through the gateway only while a pod of the gateway is ready that has the service in the
configuration that it runs with; otherwise its Service selects the pods themselves, so that no failure of the
gateway, and no change of it, takes a service away.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from ragops.api.base import ServiceType
from ragops.api.names import GATEWAY
from ragops.api.rag import RAGDeployment
from ragops.api.status import GatewayState, GatewayStatus
from ragops.gateway.config import build_config
from ragops.gateway.files import (
    Usage,
    build_agent_config,
    build_retry_map,
    build_split_map,
    told_usage,
)
from ragops.gateway.naming import digest
from ragops.orchestration.actions import Annotate
from ragops.orchestration.diagnosis import Diagnosis, diagnose
from ragops.orchestration.known import Known
from ragops.orchestration.observation import Observation, PodView, workload_view
from ragops.orchestration.rollout import Outcome
from ragops.orchestration.routing import assign_ports, routed
from ragops.orchestration.times import next_second
from ragops.resources.child import ChildRef, Manifest, ref_of
from ragops.resources.gateway import build_gateway, config_digest, config_ref, gateway_ref
from ragops.resources.pod import Images
from ragops.resources.variant import Traffic, Variant

DRAIN: Final = timedelta(seconds=60)
"""After the last service has left the gateway, its connections may still be in use."""


USAGE_STEP: Final = 0.1
"""Of a pod's requests, or twice that part of what it used before."""
PATIENCE: Final = timedelta(seconds=30)
"""For a gateway to find the pods of a service by DNS, and to find them good."""
LEAVING: Final = "the services are leaving the gateway"
LEFT: Final = "the services go straight to their pods; the gateway ends when its connections have"


@dataclass(frozen=True)
class Gateway:
    """What a pass wants of the gateway; nothing where there is none."""

    children: tuple[Manifest, ...] = ()
    kept: tuple[ChildRef, ...] = ()
    """Objects that stay as they are for now."""
    ports: Mapping[str, int] = field(default_factory=dict)
    """Of the services that go through it."""
    lists_pods: bool = False
    """It finds pods by headless Services."""
    annotations: tuple[Annotate, ...] = ()
    status: GatewayStatus | None = None
    wake_at: datetime | None = None


def plan_gateway(
    rag: RAGDeployment,
    services: Sequence[Known],
    outcomes: Mapping[str, Outcome],
    seen: Observation,
    images: Images,
    cluster_domain: str,
    now: datetime,
) -> Gateway:
    """`services` and their rollouts as in the rest of the pass."""
    name = rag.metadata.name
    live = seen.children.get(gateway_ref(name))
    http = [s for s in rag.spec.services if s.type is not ServiceType.VECTOR_STORE]
    if not rag.spec.gateway.enabled:
        through = routed(name, http, seen.children)
        return Gateway() if live is None and not through else _draining(rag, seen, bool(through), now)
    ports = assign_ports(name, http, seen.children)
    shares = {k.spec.name: share(k, outcomes[k.spec.name]) for k in services}
    candidates = {k.spec.name for k in services if k.candidate is not None}
    usage = _usage(rag, seen)
    revision, children = objects(rag, ports, shares, usage, images, cluster_domain, candidates)
    serving = {k.spec.name for k in services if k.ready}
    through = routed(name, http, seen.children)
    if not rag.spec.paused:
        through = _through(rag, seen, ports, revision, serving)
    lost = sorted(serving & ports.keys() - through.keys()) if _complete(rag, seen) else []
    status = _status(rag, seen, bool(through), lost, now)
    return Gateway(
        children=children,
        ports=through,
        lists_pods=True,
        annotations=tuple(_told(seen, children[0])),
        status=status,
        wake_at=status.since + PATIENCE if lost and status.since else None,
    )


def objects(
    rag: RAGDeployment,
    ports: Mapping[str, int],
    shares: Mapping[str, int],
    usage: Mapping[str, Mapping[str, Usage]],
    images: Images,
    cluster_domain: str,
    candidates: Collection[str] = (),
) -> tuple[str, tuple[Manifest, ...]]:
    """The gateway's objects, the ConfigMap first, and the revision of HAProxy's configuration in it."""
    config = build_config(rag, ports, cluster_domain, candidates=candidates)
    revision = digest(config)
    files = {
        "haproxy.cfg": config,
        "split.map": build_split_map(rag, ports, shares),
        "retry.map": build_retry_map(rag, ports),
        "agent.json": build_agent_config(rag, ports, usage, revision),
    }
    return revision, build_gateway(rag, images, files, ports)


def share(service: Known, outcome: Outcome) -> int:
    """Per cent of the requests that go to the candidate."""
    match outcome.variants.traffic:
        case Traffic.STABLE:
            return 0
        case Traffic.CANDIDATE:
            return 100
    if service.candidate is None:
        return 0
    weight = outcome.status.weight_percent if outcome.status else 0
    if 0 < weight < 100:
        return weight
    # Both help out: evenly over the ready pods.
    ready = service.candidate.ready, service.workload.ready if service.workload else 0
    return min(max(round(100 * ready[0] / max(sum(ready), 1)), 1), 99)


def lists(service: Known, outcome: Outcome) -> dict[Variant, Traffic]:
    """The headless Services by which the gateway finds the pods of a service, with whom each lists."""
    variants = outcome.variants
    second = variants.candidate is not None or service.candidate is not None
    # Pods of operators before do not say of which variant they are.
    unlabelled = variants.traffic is Traffic.BOTH and not second
    listed = {Variant.STABLE: Traffic.BOTH if unlabelled else Traffic.STABLE}
    return {**listed, Variant.CANDIDATE: Traffic.CANDIDATE} if second else listed


def _through(
    rag: RAGDeployment, seen: Observation, ports: Mapping[str, int], revision: str, serving: Set[str]
) -> dict[str, int]:
    """The services that are to go through the gateway. `serving`: those that have a ready pod.

    One joins when all pods of the gateway are there, run with the configuration of now, and find a pod of it
    good. It stays while any of them is there, unless all say that they reach none of its ready pods: the
    cluster's DNS or a NetworkPolicy may be in the way, and the Service itself needs neither.
    """
    pods = [pod for pod in seen.pods_of(GATEWAY) if pod.ready]
    if not pods:
        return {}
    staying = routed(rag.metadata.name, rag.spec.services, seen.children)
    reports = [seen.gateways.get(pod.uid) for pod in pods]
    current = _complete(rag, seen) and all(report and report.revision == revision for report in reports)

    def joins(service: str) -> bool:
        return current and all(report and service in report.reached for report in reports)

    def stays(service: str) -> bool:
        if staying.get(service) != ports[service]:
            return False
        return service not in serving or any(r is None or service in r.reached for r in reports)

    return {service: port for service, port in ports.items() if joins(service) or stays(service)}


def _complete(rag: RAGDeployment, seen: Observation) -> bool:
    live = seen.children.get(gateway_ref(rag.metadata.name))
    return live is not None and workload_view(live).complete


def _usage(rag: RAGDeployment, seen: Observation) -> dict[str, dict[str, Usage]]:
    """What the agents are told of the use of pods. Small changes are not told: each one is a write."""
    config = seen.children.get(config_ref(rag.metadata.name)) or {}
    before = told_usage((config.get("data") or {}).get("agent.json", ""))
    return {name: settled(before.get(name) or {}, now) for name, now in seen.usage.items() if now}


def settled(before: Mapping[str, Usage], now: Mapping[str, Usage]) -> dict[str, Usage]:
    """The usage of before, where it is of the same pods and none has changed by a step."""
    same = before.keys() == now.keys() and all(_near(before[pod], now[pod]) for pod in now)
    return dict(before) if same else {pod: Usage(_round(u.cpu), _round(u.memory)) for pod, u in now.items()}


def _near(one: Usage, other: Usage) -> bool:
    pairs = ((one.cpu, other.cpu), (one.memory, other.memory))
    return all(a is b or (a is not None and b is not None and abs(a - b) < _step(a)) for a, b in pairs)


def _step(share: float) -> float:
    return max(USAGE_STEP, 2 * USAGE_STEP * share)


def _round(share: float | None) -> float | None:
    return None if share is None else round(share, 2)


def _told(seen: Observation, wanted: Manifest) -> list[Annotate]:
    """A kubelet looks at a ConfigMap once a minute or so, and at once when a pod's annotations change."""
    live = (seen.children.get(ref_of(wanted)) or {}).get("data") or {}
    if any(live.get(name) != text for name, text in wanted["data"].items()):
        return []  # not written yet
    content = config_digest(wanted)
    return [Annotate(p.name, p.uid, content) for p in seen.pods_of(GATEWAY) if p.told != content]


def _draining(rag: RAGDeployment, seen: Observation, through: bool, now: datetime) -> Gateway:
    """Services leave first; the pods end when nobody can have a connection to them any more."""
    before, message = rag.status.gateway, LEAVING if through else LEFT
    if before is None and not through:
        return Gateway()  # it has ended, and its objects are on their way out
    goes_on = before is not None and (before.state, before.message) == (GatewayState.DRAINING, message)
    since = (before.since if before and goes_on else None) or next_second(now)
    if now >= since + DRAIN and goes_on and not through:
        return Gateway()
    name = rag.metadata.name
    refs = tuple(ref for ref in seen.children if ref.name == gateway_ref(name).name)
    status = GatewayStatus(
        state=GatewayState.DRAINING,
        since=since,
        replicas=rag.spec.gateway.replicas,
        ready_replicas=_ready(seen.pods_of(GATEWAY)),
        message=message,
    )
    return Gateway(kept=refs, lists_pods=True, status=status, wake_at=since + DRAIN)


def _status(
    rag: RAGDeployment, seen: Observation, serves: bool, lost: Sequence[str], now: datetime
) -> GatewayStatus:
    """`lost`: services with ready pods that do not go through it, although all of it is there."""
    before, pods = rag.status.gateway, seen.pods_of(GATEWAY)
    live = seen.children.get(gateway_ref(rag.metadata.name))
    served = before is not None and before.state in (GatewayState.SERVING, GatewayState.UNAVAILABLE)
    state = GatewayState.SERVING if serves else GatewayState.UNAVAILABLE if served else GatewayState.STARTING
    ready, wanted = _ready(pods), rag.spec.gateway.replicas
    trouble = diagnose(pods, seen.failures.get(GATEWAY), now, workload_view(live) if live else None)
    same = before is not None and before.state is state
    since = (before.since if before and same else None) or next_second(now)
    if trouble is None and lost and now >= since + PATIENCE:
        text = f"it finds no pod of {', '.join(lost)}: see its log; is the chart's clusterDomain that of the "
        text += "cluster, and does a NetworkPolicy let it reach the cluster's DNS and the pods?"
        trouble = Diagnosis("PodsNotReached", text)
    message = trouble.message if trouble else None
    if trouble is None and not serves:
        message = "the services go straight to their pods until the gateway is ready"
    return GatewayStatus(
        state=state,
        since=since,
        replicas=wanted,
        ready_replicas=ready,
        reason=trouble.reason if trouble else None,
        message=message,
        fallback=sorted({name for report in seen.gateways.values() for name in report.fallen}),
        panic=sorted({name for report in seen.gateways.values() for name in report.panic}),
    )


def _ready(pods: Sequence[PodView]) -> int:
    return sum(pod.ready for pod in pods)
