"""From the watch cache to an Observation: no requests."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, EndpointSpec, MetricSpec, MetricType, ScalingMode
from ragops.api.names import GATEWAY
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.api.status import RAGStatus
from ragops.api.traffic import LoadBalancingStrategy
from ragops.cluster.cache import Key, WatchCache
from ragops.gateway.files import Usage
from ragops.health.assess import Evidence, Memory, check_path, is_checked, is_measured
from ragops.metrics.comparer import EVERY as COMPARED_EVERY
from ragops.metrics.comparer import Compared
from ragops.metrics.pod import Pod, read_pod
from ragops.metrics.prober import Checked
from ragops.metrics.source import ServiceId, Target
from ragops.metrics.usage import Weighed
from ragops.orchestration.analysis import Comparison
from ragops.orchestration.observation import ApplyFailure, GatewayReport, Observation, pod_view
from ragops.orchestration.rollout_canary import both_serve
from ragops.orchestration.routing import gateway_port, seen_traffic
from ragops.resources.children import service_ref
from ragops.resources.pod import port_of
from ragops.resources.variant import Variant
from ragops.scaling.decide import observe as take_in
from ragops.scaling.window import Window


def observe(
    cache: WatchCache,
    key: Key,
    rag: RAGDeployment,
    windows: Mapping[str, Window],
    failures: Mapping[str, ApplyFailure],
    evidence: Mapping[str, Evidence],
    memory: Mapping[str, Memory],
    comparisons: Mapping[str, Comparison],
    gateways: Mapping[str, GatewayReport],
    usage: Mapping[str, Mapping[str, Usage]],
) -> Observation:
    """What is known of one RAGDeployment."""
    return Observation(
        children=cache.children(key, rag.metadata.uid),
        pods=tuple(pod_view(pod) for pod in cache.pods(key)),
        windows=windows,
        failures=failures,
        scalers=cache.scalers(key.namespace),
        evidence=evidence,
        memory=memory,
        comparisons=comparisons,
        gateways=gateways,
        usage=usage,
    )


def targets(cache: WatchCache, key: Key, rag: RAGDeployment) -> Iterator[Target]:
    """The services of a resolved RAGDeployment that need samples."""
    for service in rag.spec.services:
        policy = service.autoscaling
        if policy is None or policy.mode is ScalingMode.EXTERNAL:
            continue
        port = policy.endpoint.port or port_of(service)[1]
        yield Target(
            service=ServiceId(key, service.name),
            every=timedelta(seconds=policy.sample_seconds),
            observe=partial(take_in, policy),
            metrics=_metrics(policy),
            endpoint=policy.endpoint.model_copy(update={"port": port}),
            arrivals=policy.mode is ScalingMode.PREDICTIVE,
            pods=partial(_serving_pods, cache, key, rag.metadata.uid, service),
            through_gateway=partial(_through_gateway, cache, key, rag.metadata.uid, service),
        )


def checked(cache: WatchCache, key: Key, rag: RAGDeployment) -> Iterator[Checked]:
    """The services of a resolved RAGDeployment whose health is looked after beyond their pods' readiness."""
    for service in rag.spec.services:
        asked, measured = is_checked(service), is_measured(service)
        if not asked and not measured:
            continue
        serving = partial(_serving_pods, cache, key, rag.metadata.uid, service)
        yield Checked(
            service=ServiceId(key, service.name),
            pods=partial(_ready_pods, cache, key, service, tuple(Variant)),
            spec=service.health.check,
            path=check_path(service),
            port=port_of(service)[1],
            checked=asked,
            figures=_figures(cache, key, rag, service, serving) if measured else None,
        )


def _figures(
    cache: WatchCache, key: Key, rag: RAGDeployment, service: ServiceSpec, pods: Callable[[], list[Pod]]
) -> Target:
    """Measured as for scaling, from the same endpoint."""
    endpoint = service.autoscaling.endpoint if service.autoscaling else EndpointSpec()
    return Target(
        service=ServiceId(key, service.name),
        every=FIGURES_EVERY,
        observe=lambda window, _: window,
        metrics=tuple(
            MetricSpec(type=metric) for metric in (MetricType.ERROR_RATE, MetricType.RESPONSE_TIME)
        ),
        endpoint=endpoint.model_copy(update={"port": endpoint.port or port_of(service)[1]}),
        arrivals=False,
        pods=pods,
        through_gateway=partial(_through_gateway, cache, key, rag.metadata.uid, service),
    )


FIGURES_EVERY: Final = timedelta(seconds=10)
"""Between two samples of the requests to a service whose health has a threshold."""

_LEARNED_FROM: Final = (MetricType.CPU, MetricType.RESPONSE_TIME)
"""What mode Predictive learns the capacity of a replica from, beside the arrivals."""


def _metrics(policy: AutoscalingSpec) -> tuple[MetricSpec, ...]:
    given = tuple(policy.metrics or ())
    if policy.mode is not ScalingMode.PREDICTIVE:
        return given
    types = {metric.type for metric in given}
    return (*given, *(MetricSpec(type=metric) for metric in _LEARNED_FROM if metric not in types))


def weighed(cache: WatchCache, key: Key, rag: RAGDeployment) -> Iterator[Weighed]:
    """The services of a resolved RAGDeployment whose requests are spread by the usage of their pods."""
    for service in rag.spec.services:
        balancing = service.load_balancing
        if (
            rag.spec.gateway.enabled
            and balancing
            and balancing.strategy is LoadBalancingStrategy.RESOURCE_USAGE
        ):
            pods = partial(_ready_pods, cache, key, service, tuple(Variant))
            yield Weighed(ServiceId(key, service.name), pods)


def gateway_pods(cache: WatchCache, key: Key) -> list[Pod]:
    """The ready pods of the gateway."""
    views = ((pod, pod_view(pod)) for pod in cache.pods(key))
    return [read_pod(pod, 0) for pod, v in views if v.service == GATEWAY and v.ready and not v.terminating]


def compared(cache: WatchCache, key: Key, rag: RAGDeployment, status: RAGStatus) -> Iterator[Compared]:
    """The canaries of a resolved RAGDeployment that are to be measured beside the stable versions."""
    specs = {service.name: service for service in rag.spec.services}
    for known in status.services:
        service, rollout = specs.get(known.name), known.rollout
        canary = service.rollout.canary if service else None
        if service is None or canary is None or rollout is None or rollout.step is None:
            continue
        if both_serve(canary, rollout.phase, rollout.step):
            target = _figures(cache, key, rag, service, list)
            pods = partial(_pods_of_variant, cache, key, service)
            yield Compared(
                rollout.revision,
                rollout.step,
                replace(target, every=COMPARED_EVERY, variant_alone=True),
                pods,
            )


def _serving_pods(cache: WatchCache, key: Key, uid: str, service: ServiceSpec) -> list[Pod]:
    """The ready pods that get requests: while a new version is tried, some may not."""
    traffic = seen_traffic(key.name, service, cache.children(key, uid))
    return _ready_pods(cache, key, service, [variant for variant in Variant if traffic.reaches(variant)])


def _through_gateway(cache: WatchCache, key: Key, uid: str, service: ServiceSpec) -> bool:
    return gateway_port(cache.children(key, uid).get(service_ref(key.name, service))) is not None


def _pods_of_variant(cache: WatchCache, key: Key, service: ServiceSpec, variant: Variant) -> list[Pod]:
    return _ready_pods(cache, key, service, [variant])


def _ready_pods(
    cache: WatchCache, key: Key, service: ServiceSpec, variants: Collection[Variant]
) -> list[Pod]:
    views = ((pod, pod_view(pod)) for pod in cache.pods(key))
    return [
        read_pod(pod, service.startup.timeout_seconds)
        for pod, view in views
        if view.service == service.name and view.variant in variants and view.ready and not view.terminating
    ]
