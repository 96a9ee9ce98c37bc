"""From the watch cache to an Observation: no requests."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

from ragops.api.autoscaling import AutoscalingSpec, MetricSpec, MetricType, ScalingMode
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.cluster.cache import Key, WatchCache
from ragops.metrics.pod import Pod, read_pod
from ragops.metrics.source import ServiceId, Target
from ragops.orchestration.observation import ApplyFailure, Observation, pod_view
from ragops.resources.pod import port_of
from ragops.scaling.decide import observe as take_in
from ragops.scaling.window import Window


def observe(
    cache: WatchCache,
    key: Key,
    rag: RAGDeployment,
    windows: Mapping[str, Window],
    failures: Mapping[str, ApplyFailure],
) -> Observation:
    """What is known of one RAGDeployment."""
    return Observation(
        children=cache.children(key, rag.metadata.uid),
        pods=tuple(pod_view(pod) for pod in cache.pods(key)),
        windows=windows,
        failures=failures,
        scalers=cache.scalers(key.namespace),
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
            pods=partial(_ready_pods, cache, key, service),
        )


_LEARNED_FROM: Final = (MetricType.CPU, MetricType.RESPONSE_TIME)
"""What mode Predictive learns the capacity of a replica from, beside the arrivals."""


def _metrics(policy: AutoscalingSpec) -> tuple[MetricSpec, ...]:
    given = tuple(policy.metrics or ())
    if policy.mode is not ScalingMode.PREDICTIVE:
        return given
    types = {metric.type for metric in given}
    return (*given, *(MetricSpec(type=metric) for metric in _LEARNED_FROM if metric not in types))


def _ready_pods(cache: WatchCache, key: Key, service: ServiceSpec) -> list[Pod]:
    return [
        read_pod(pod, service.startup.timeout_seconds)
        for pod in cache.pods(key)
        if (view := pod_view(pod)).service == service.name and view.ready and not view.terminating
    ]
