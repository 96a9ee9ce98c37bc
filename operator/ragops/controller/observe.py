"""From the watch cache to an Observation: no requests."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial

from ragops.api.autoscaling import ScalingMode
from ragops.api.rag import RAGDeployment
from ragops.cluster.cache import Key, WatchCache
from ragops.metrics.resource import PodRequest, pod_request
from ragops.metrics.sampler import Target
from ragops.orchestration.observation import ApplyFailure, Observation, pod_view
from ragops.scaling.step import keep
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
    )


def targets(cache: WatchCache, key: Key, rag: RAGDeployment) -> Iterator[Target]:
    """The services of a resolved RAGDeployment that need samples."""
    for service in rag.spec.services:
        policy = service.autoscaling
        if policy is not None and policy.mode is ScalingMode.STEP:
            yield Target(
                key=key,
                service=service.name,
                every=timedelta(seconds=policy.sample_seconds),
                keep=keep(policy),
                pods=partial(_ready_pods, cache, key, service.name),
            )


def _ready_pods(cache: WatchCache, key: Key, service: str) -> list[PodRequest]:
    return [
        pod_request(pod)
        for pod in cache.pods(key)
        if (view := pod_view(pod)).service == service and view.ready and not view.terminating
    ]
