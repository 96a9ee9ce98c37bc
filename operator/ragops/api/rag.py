"""The RAGDeployment object."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ragops.api.base import DNS_LABEL, PATTERN_MEANINGS, LocalRef, Model, ObjectName, ServiceType
from ragops.api.names import API_VERSION, KIND, MAX_CHILD_NAME
from ragops.api.rules import ListMap, Rule
from ragops.api.service import ServiceSpec
from ragops.api.status import RAGStatus


class FailurePolicy(StrEnum):
    """What a service that fails to start means for the others."""

    CONTINUE = "Continue"
    HALT = "Halt"


class StartupSpec(Model):
    """The ordered start of the services."""

    failure_policy: FailurePolicy = FailurePolicy.CONTINUE
    """Continue: services that do not need the failed one go on. Halt: nothing further is started."""


class GatewayTLSSpec(Model):
    """TLS between the clients and the gateway."""

    secret_name: ObjectName
    """A Secret of type kubernetes.io/tls in the same namespace. Mounted by the kubelet, never read by
    ragops."""


class GatewaySpec(Model):
    """The load balancer in front of the services."""

    enabled: bool = False
    """Put the gateway between the stable Service names and the pods. It can be switched on and off at any
    time; no request is lost."""
    replicas: Annotated[int, Field(ge=1, le=10)] = 2
    """Gateway pods."""
    tls: GatewayTLSSpec | None = None
    """Serves TLS beside the plain port. Default: no TLS."""
    max_connections: Annotated[int, Field(ge=100, le=100_000)] = 4000
    """Connections of clients to one gateway pod at a time; further ones wait in the kernel. Each may need two
    file descriptors and 64 KiB of memory."""


# A macro over a list of one is how CEL gives a value a name: the names are gathered once, not for each entry.
_NAMES: Final = "[self.services.map(s, s.name)]"
_LOST: Final = "has(s.dependsOn) && s.dependsOn.exists(d, !(d.name in names))"

MAX_POOL: Final = 200
"""Replicas of one service that the gateway can serve: their addresses fit into one DNS answer."""
_TOO_MANY: Final = (
    f"(has(s.replicas) && s.replicas > {MAX_POOL}) || "
    f"(has(s.autoscaling) && s.autoscaling.maxReplicas > {MAX_POOL})"
)


def _at_most_one(service_type: ServiceType, why: str) -> Rule:
    fault = f"must have at most one {service_type}, since {why}; "
    these = f"s.type == '{service_type}'"
    return Rule(
        f"self.services.filter(s, {these}).size() <= 1",
        f"{fault}keep one",
        at="services",
        explain=f"self.services.map(s, {these}, '{fault}remove ' + s.name)[1]",
    )


def _one_upstream(service_type: ServiceType) -> Rule:
    """An OrchestrationAPI calls one service of each type. Without dependsOn it depends on all."""
    torn = (
        f"s.type == 'OrchestrationAPI' && self.services.filter(o, o.type == '{service_type}' && "
        "(!has(s.dependsOn) || s.dependsOn.exists(d, d.name == o.name))).size() > 1"
    )
    fault, mend = "must give", f"only one {service_type} to call; name the one in its dependsOn"
    return Rule(
        f"!self.services.exists(s, {torn})",
        f"{fault} an OrchestrationAPI {mend}",
        at="services",
        explain=f"self.services.map(s, {torn}, '{fault} ' + s.name + ' {mend}')[0]",
    )


class RAGSpec(Model):
    """The wanted RAG system."""

    cel: ClassVar = (
        Rule(
            f"{_NAMES}.all(names, !self.services.exists(s, {_LOST}))",
            "must have every service that a dependsOn names; correct the name or add the service",
            at="services",
            explain=f"{_NAMES}.map(names, self.services.map(s, {_LOST}, "
            "s.dependsOn.map(d, !(d.name in names), 'must have ' + d.name + ', which dependsOn of ' + s.name"
            " + ' names; correct the name or add the service')[0])[0])[0]",
        ),
        _at_most_one(ServiceType.VECTOR_STORE, "all services share its database"),
        _at_most_one(ServiceType.EMBEDDINGS, "vectors of different models never mix"),
        _one_upstream(ServiceType.DOCUMENT_PROCESSOR),
        _one_upstream(ServiceType.RETRIEVAL),
        _one_upstream(ServiceType.GENERATION),
        Rule(
            "!self.services.exists(s, (s.type == 'VectorStore' || self.gateway.enabled) && "
            "self.services.exists(o, o.name == s.name + '-headless'))",
            "must not have a service named like a VectorStore, or behind the gateway like any service, with "
            "-headless behind it, the name of a Service that lists the other's pods; rename it",
            at="services",
        ),
        Rule(
            "!self.gateway.enabled || !self.services.exists(s, s.name == 'gateway')",
            "must not have a service named gateway, the name of the gateway's own objects; rename it",
            at="services",
        ),
        Rule(
            f"!self.gateway.enabled || !self.services.exists(s, {_TOO_MANY})",
            f"must have at most {MAX_POOL} replicas of each service behind the gateway; lower replicas or "
            "autoscaling.maxReplicas",
            at="services",
            explain=f"self.services.map(s, {_TOO_MANY}, 'must have at most {MAX_POOL} replicas of ' + s.name"
            " + ' behind the gateway; lower its replicas or autoscaling.maxReplicas')[0]",
        ),
        Rule(
            "!self.services.exists(s, self.services.exists(o, o.name == s.name + '-candidate'))",
            "must not have a service named like another with -candidate behind it, the name of the other's "
            "second workload while a new version is tried; rename it",
            at="services",
        ),
    )

    services: Annotated[list[ServiceSpec], Field(min_length=1, max_length=32), ListMap("name")]
    """The services, by name. Only what is listed exists."""
    startup: StartupSpec = StartupSpec()
    """The ordered start of the services."""
    gateway: GatewaySpec = GatewaySpec()
    """The load balancer in front of the services."""
    paused: bool = False
    """Stop all changes to the children; status goes on."""
    image_pull_secrets: Annotated[list[LocalRef], Field(max_length=8), ListMap("name")] = []
    """Secrets with registry credentials for all pods of this RAGDeployment."""


class ObjectMeta(BaseModel):
    """The part of the object's metadata that decisions need."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    namespace: str
    uid: str = ""
    generation: int = 0
    resourceVersion: str = "0"
    deletionTimestamp: str | None = None
    annotations: dict[str, str] = {}


_TOO_LONG: Final = f"size(self.metadata.name) + 1 + size(s.name) > {MAX_CHILD_NAME}"


class RAGDeployment(Model):
    """One custom resource: a whole RAG system."""

    cel: ClassVar = (
        Rule(
            f"self.metadata.name.matches('{DNS_LABEL}')",
            f"metadata.name must be {PATTERN_MEANINGS[DNS_LABEL]}; it begins the names of all children",
        ),
        Rule(
            f"!self.spec.services.exists(s, {_TOO_LONG})",
            f"metadata.name and each service name must have {MAX_CHILD_NAME - 1} characters or fewer "
            "together, since Kubernetes objects are named after both; shorten one",
            explain=f"self.spec.services.map(s, {_TOO_LONG}, 'metadata.name and the service name ' + s.name"
            f" + ' must have {MAX_CHILD_NAME - 1} characters or fewer together; shorten one')[0]",
        ),
    )

    api_version: Literal["ragops.dev/v1alpha1"] = API_VERSION
    kind: Literal["RAGDeployment"] = KIND
    metadata: ObjectMeta
    spec: RAGSpec
    status: RAGStatus = RAGStatus()
