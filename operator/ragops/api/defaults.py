"""What a service gets that its owner left out: everything whose default depends on the service's type.

Defaults that do not depend on the type stand in the models; the API server fills those in.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

from ragops.api.autoscaling import (
    DEFAULT_THRESHOLDS,
    AutoscalingSpec,
    MetricSpec,
    MetricType,
    ScalingMode,
)
from ragops.api.base import ServiceType, nested_model
from ragops.api.rag import RAGDeployment
from ragops.api.service import BLOCKS, Dependency, ResourceList, ResourcesSpec, ServiceSpec, StorageSpec

DEFAULT_DEPENDENCIES: Final[dict[ServiceType, frozenset[ServiceType]]] = {
    ServiceType.VECTOR_STORE: frozenset(),
    ServiceType.EMBEDDINGS: frozenset({ServiceType.VECTOR_STORE}),
    ServiceType.DOCUMENT_PROCESSOR: frozenset({ServiceType.EMBEDDINGS, ServiceType.VECTOR_STORE}),
    ServiceType.RETRIEVAL: frozenset({ServiceType.EMBEDDINGS, ServiceType.VECTOR_STORE}),
    ServiceType.GENERATION: frozenset(),
    # Every other type, so two OrchestrationAPI services do not wait for each other.
    ServiceType.ORCHESTRATION_API: frozenset(ServiceType) - {ServiceType.ORCHESTRATION_API},
}
"""The types of services that a service without `dependsOn` depends on, where such services exist."""


RESOURCE_METRICS: Final = (MetricType.CPU, MetricType.MEMORY)
"""The metrics of any container. The others need an endpoint, which only the reference images surely have."""


class Pace(NamedTuple):
    """Default times of a scaling mode, in seconds."""

    cooldown: int
    up_cooldown: int | None
    """None: the cooldown, given or not."""
    stability: int


PACE: Final = {
    ScalingMode.STEP: Pace(300, None, 300),
    ScalingMode.PROPORTIONAL: Pace(300, 0, 300),
    ScalingMode.PREDICTIVE: Pace(0, 0, 15),
    ScalingMode.EXTERNAL: Pace(300, None, 300),
}

DEFAULT_HEALTH_PATH: Final = "/readyz"


def _resources(cpu: str, memory: str, memory_limit: str) -> ResourcesSpec:
    return ResourcesSpec(
        requests=ResourceList(cpu=cpu, memory=memory), limits=ResourceList(memory=memory_limit)
    )


# The six together fit a node of 2 cores and 4 GiB. An idle service uses less than 40 % of its memory request:
# with more, the default Memory threshold would never let it scale down. No CPU limits: throttling makes slow
# what the scheduler could have given for free.
DEFAULT_RESOURCES: Final[dict[ServiceType, ResourcesSpec]] = {
    ServiceType.VECTOR_STORE: _resources("100m", "512Mi", "1Gi"),
    ServiceType.EMBEDDINGS: _resources("200m", "1Gi", "1536Mi"),
    # Two parsers at a time, each of up to 768Mi.
    ServiceType.DOCUMENT_PROCESSOR: _resources("100m", "512Mi", "2Gi"),
    ServiceType.RETRIEVAL: _resources("50m", "256Mi", "512Mi"),
    ServiceType.GENERATION: _resources("50m", "256Mi", "512Mi"),
    ServiceType.ORCHESTRATION_API: _resources("50m", "256Mi", "512Mi"),
}

_T = TypeVar("_T")


def _first(given: _T | None, default: _T) -> _T:
    """Unlike `or`, keeps a given 0."""
    return default if given is None else given


def resolve(rag: RAGDeployment) -> RAGDeployment:
    """The same object with everything filled in that depends on a service's type: dependsOn, resources, the
    block of its type, storage of a VectorStore, health.path of all others, and within autoscaling the
    metrics, their thresholds (downBelow of ErrorRate stays None) and scaleUpCooldownSeconds.

    What is given stays as it is. Resolving twice changes nothing.
    """
    services = [_resolve_service(service, rag.spec.services) for service in rag.spec.services]
    return rag.model_copy(update={"spec": rag.spec.model_copy(update={"services": services})})


def _resolve_service(service: ServiceSpec, services: Iterable[ServiceSpec]) -> ServiceSpec:
    block = BLOCKS[service.type]
    block_model = nested_model(ServiceSpec.model_fields[block].annotation)
    assert block_model is not None, f"{block} holds a model"
    update: dict[str, object] = {
        "depends_on": _first(service.depends_on, _default_dependencies(service, services)),
        "resources": _resolve_resources(service.resources, DEFAULT_RESOURCES[service.type]),
        block: _first(getattr(service, block), block_model()),
    }
    if service.type is ServiceType.VECTOR_STORE:
        update["storage"] = _first(service.storage, StorageSpec())
    else:
        path = _first(service.health.path, DEFAULT_HEALTH_PATH)
        update["health"] = service.health.model_copy(update={"path": path})
    if service.autoscaling is not None:
        update["autoscaling"] = _resolve_autoscaling(service)
    return service.model_copy(update=update)


def _default_dependencies(service: ServiceSpec, services: Iterable[ServiceSpec]) -> list[Dependency]:
    wanted = DEFAULT_DEPENDENCIES[service.type]
    return [Dependency(name=other.name) for other in services if other.type in wanted]


def _resolve_autoscaling(service: ServiceSpec) -> AutoscalingSpec:
    given = service.autoscaling
    assert given is not None, "only called for a service with autoscaling"
    defaults = PACE[given.mode]
    cooldown = _first(given.cooldown_seconds, defaults.cooldown)
    up_cooldown = cooldown if defaults.up_cooldown is None else defaults.up_cooldown
    metrics = _first(given.metrics, [MetricSpec(type=metric) for metric in _default_metrics(service)])
    return given.model_copy(
        update={
            "metrics": [_resolve_metric(metric) for metric in metrics],
            "cooldown_seconds": cooldown,
            "scale_up_cooldown_seconds": _first(given.scale_up_cooldown_seconds, up_cooldown),
            "stability_seconds": _first(
                given.stability_seconds, max(defaults.stability, given.sample_seconds)
            ),
        }
    )


def _default_metrics(service: ServiceSpec) -> Iterable[MetricType]:
    return tuple(MetricType) if service.image is None else RESOURCE_METRICS


def _resolve_metric(given: MetricSpec) -> MetricSpec:
    default = DEFAULT_THRESHOLDS[given.type]
    return given.model_copy(
        update={
            "up_above": _first(given.up_above, default.up_above),
            "down_below": _first(given.down_below, default.down_below),
        }
    )


def _resolve_resources(given: ResourcesSpec | None, default: ResourcesSpec) -> ResourcesSpec:
    """Resource by resource: a request or limit that is given replaces both defaults, since a default next to
    it could contradict it. A limit alone is also the request, as Kubernetes has it; whole GPUs alone too."""
    given = _first(given, ResourcesSpec())
    requests, limits = _amounts(given.requests), _amounts(given.limits)
    default_requests, default_limits = _amounts(default.requests), _amounts(default.limits)
    for resource in ("cpu", "memory"):
        if resource not in requests and resource not in limits:
            _copy(resource, default_requests, requests)
            _copy(resource, default_limits, limits)
        elif resource not in requests:
            _copy(resource, limits, requests)
    # Extended resources cannot be overcommitted: Kubernetes wants request and limit equal.
    for source, target in ((limits, requests), (requests, limits)):
        if "gpu" not in target:
            _copy("gpu", source, target)
    return ResourcesSpec(
        requests=ResourceList.model_validate(requests), limits=ResourceList.model_validate(limits)
    )


def _amounts(resources: ResourceList | None) -> dict[str, object]:
    return resources.model_dump(exclude_none=True) if resources is not None else {}


def _copy(key: str, source: dict[str, object], target: dict[str, object]) -> None:
    if key in source:
        target[key] = source[key]
