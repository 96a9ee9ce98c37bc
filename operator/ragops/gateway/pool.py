"""What the gateway balances: one service, with the numbers that count for one gateway pod."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from ragops.api.base import ServiceType
from ragops.api.defaults import DEFAULT_HEALTH_PATH
from ragops.api.names import candidate_name, child_name, headless_name
from ragops.api.rag import MAX_POOL, RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.api.traffic import LoadBalancingSpec, RolloutStrategy
from ragops.resources.pod import port_of
from ragops.resources.variant import Variant

UNKNOWN_POOL: Final = 64
"""Slots of a service whose replicas nobody bounds: left out, without autoscaling."""
SURGE_PERCENT: Final = 25
"""An update brings new pods up before old ones go: see resources/deployment.py."""


@dataclass(frozen=True)
class Pool:
    """One service behind the gateway."""

    service: ServiceSpec
    rag: str
    port: int
    """The gateway's port for this service; see frontend.py for that of TLS."""
    gateways: int
    """Gateway pods that share the limits of the service's pods."""
    has_candidate: bool = False
    """There is a second workload, whatever the strategy is now."""

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def balancing(self) -> LoadBalancingSpec:
        """The settings in force."""
        return self.service.load_balancing or LoadBalancingSpec()

    @property
    def host(self) -> str:
        """The name of the service's stable address."""
        return child_name(self.rag, self.name)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """The backends: a rolling update has no second one."""
        rolling = self.service.rollout.strategy is RolloutStrategy.ROLLING_UPDATE
        alone = rolling and not self.has_candidate
        return (Variant.STABLE,) if alone else (Variant.STABLE, Variant.CANDIDATE)

    @property
    def pod_port(self) -> int:
        """The port that the pods listen on."""
        return port_of(self.service)[1]

    @property
    def ready_path(self) -> str:
        """The path of the pods' readiness."""
        return self.service.health.path or DEFAULT_HEALTH_PATH

    @property
    def max_concurrent(self) -> int | None:
        """Requests under way in one pod that come through one gateway pod."""
        return self._share(self.balancing.max_concurrent)

    @property
    def max_queue(self) -> int | None:
        """Requests that may wait in one gateway pod."""
        return self._share(self.balancing.max_queue)

    @property
    def slots(self) -> int:
        """Servers of each backend: room for all pods, those of an update included."""
        scaling = self.service.autoscaling
        largest = scaling.max_replicas if scaling else self.service.replicas
        if largest is None:
            return UNKNOWN_POOL
        return max(1, min(MAX_POOL, largest + ceil(largest * SURGE_PERCENT / 100)))

    def address_name(self, variant: Variant) -> str:
        """The headless Service that lists the pods of a variant. The candidate's is named like its workload:
        with both endings it could be longer than a name in DNS may be."""
        name = headless_name if variant is Variant.STABLE else candidate_name
        return name(self.rag, self.name)

    def _share(self, limit: int | None) -> int | None:
        return None if limit is None else ceil(limit / self.gateways)


def pools(rag: RAGDeployment, ports: Mapping[str, int], candidates: Collection[str] = ()) -> tuple[Pool, ...]:
    """The services that are behind the gateway, in the order of the spec. `candidates`: those that have a
    second workload."""
    return tuple(
        Pool(
            service,
            rag.metadata.name,
            ports[service.name],
            rag.spec.gateway.replicas,
            service.name in candidates,
        )
        for service in rag.spec.services
        if service.type is not ServiceType.VECTOR_STORE and service.name in ports
    )
