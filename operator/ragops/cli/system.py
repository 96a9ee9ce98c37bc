"""What the commands know of a RAGDeployment: the object as stored, with what its spec and status mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from ragops.api.autoscaling import ScalingMode
from ragops.api.defaults import resolve
from ragops.api.rag import RAGSpec
from ragops.api.service import ServiceSpec
from ragops.api.status import Condition, ConditionType, RAGStatus, ServiceStatus
from ragops.api.validation import InvalidRAG, parse
from ragops.cli.failure import Failure

Object = Mapping[str, Any]


@dataclass(frozen=True)
class ServiceView:
    """One service: what is wanted, and what is known. One of the two may be missing."""

    name: str
    spec: ServiceSpec | None
    """Resolved. None: gone from the spec, or the spec cannot be read."""
    status: ServiceStatus | None
    """None: the operator has not seen the service yet."""

    @property
    def scaled(self) -> bool:
        """ragops changes its replicas."""
        autoscaling = self.spec.autoscaling if self.spec else None
        return autoscaling is not None and autoscaling.mode is not ScalingMode.EXTERNAL

    @property
    def wanted(self) -> int:
        """Replicas wanted, as far as the object tells: others may own them."""
        scaling = self.status.scaling if self.status else None
        if self.scaled and scaling is not None:
            return scaling.desired
        if self.spec is not None and self.spec.replicas is not None:
            return self.spec.replicas
        return self.status.replicas if self.status and self.status.replicas else 1


@dataclass(frozen=True)
class System:
    """A RAGDeployment."""

    raw: Object
    """As stored."""
    spec: RAGSpec | None
    """Resolved; None where this version cannot read it, told in the condition Accepted."""
    status: RAGStatus
    services: tuple[ServiceView, ...]
    """In the order of the spec."""

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.raw["metadata"]["namespace"])

    @property
    def generation(self) -> int:
        return int(self.raw["metadata"]["generation"])

    @property
    def created(self) -> datetime:
        return datetime.fromisoformat(self.raw["metadata"]["creationTimestamp"])

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.raw["metadata"].get("annotations") or {}

    @property
    def paused(self) -> bool:
        return self.spec is not None and self.spec.paused

    @property
    def followed(self) -> bool:
        """Status speaks of the present spec."""
        return self.status.observed_generation == self.generation

    def condition(self, kind: ConditionType) -> Condition | None:
        """A condition; None before the operator has seen the object."""
        return next((c for c in self.status.conditions if c.type is kind), None)

    def service(self, name: str) -> ServiceView:
        """A service. Raises Failure naming those that exist."""
        for service in self.services:
            if service.name == name:
                return service
        names = ", ".join(service.name for service in self.services)
        raise Failure(f"{self.name} has no service {name!r}; it has: {names}")

    def known(self, name: str) -> ServiceStatus | None:
        """The status of a service."""
        return next((service.status for service in self.services if service.name == name), None)


def read(raw: Object) -> System:
    """Makes sense of a RAGDeployment. Raises Failure where its status is beyond this version."""
    try:
        status = RAGStatus.model_validate(raw.get("status") or {})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise Failure(
            f"status.{where} of {raw['metadata']['name']} is not known to this version of the command "
            f"({fault['msg']}); use the one that belongs to the operator"
        ) from error
    try:
        spec = resolve(parse(raw)).spec
    except InvalidRAG:
        spec = None
    known = {service.name: service for service in status.services}
    wanted = {service.name: service for service in spec.services} if spec else {}
    names = dict.fromkeys([*wanted, *known])
    views = tuple(ServiceView(name, wanted.get(name), known.get(name)) for name in names)
    return System(raw, spec, status, views)
