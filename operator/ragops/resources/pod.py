"""The pod template: one hardened container, the same for every workload."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ragops.api.base import ServiceType
from ragops.api.defaults import DEFAULT_HEALTH_PATH
from ragops.api.names import common_labels, selector_labels
from ragops.api.rag import RAGDeployment
from ragops.api.service import ResourceList, ResourcesSpec, ServiceSpec
from ragops.resources.child import Manifest
from ragops.resources.environment import HTTP_PORT, POSTGRES_PORT, environment, postgres_environment

USER_ID: Final = 10001
CONTAINER: Final = "main"
DATA_VOLUME: Final = "data"
DATA_PATH: Final = "/var/lib/postgresql/data"
SOCKET_PATH: Final = "/var/run/postgresql"
LINGER_SECONDS: Final = 5
"""A pod that is deleted serves on for this long, whatever its image does: by then all nodes know."""


@dataclass(frozen=True)
class Images:
    """The images that the operator was installed with, for services that name none."""

    services: str
    postgres: str
    haproxy: str
    operator: str
    """Of the operator itself, which has the gateway's agent in it."""


def all_of(image: str) -> Images:
    """Where it does not matter of which kind an image is."""
    return Images(services=image, postgres=image, haproxy=image, operator=image)


_ARGUMENT: Final = {
    ServiceType.EMBEDDINGS: "embeddings",
    ServiceType.DOCUMENT_PROCESSOR: "documents",
    ServiceType.RETRIEVAL: "retrieval",
    ServiceType.GENERATION: "generation",
    ServiceType.ORCHESTRATION_API: "api",
}


def port_of(service: ServiceSpec) -> tuple[str, int]:
    """Name and number of the port that a service listens on."""
    return ("postgres", POSTGRES_PORT) if service.type is ServiceType.VECTOR_STORE else ("http", HTTP_PORT)


def image_of(service: ServiceSpec, images: Images) -> str:
    """The image that a service runs."""
    default = images.postgres if service.type is ServiceType.VECTOR_STORE else images.services
    return service.image or default


def pod_template(
    rag: RAGDeployment, service: ServiceSpec, images: Images, labels: Mapping[str, str]
) -> Manifest:
    """The template of a workload's pods, which it selects by `labels`. `service` is resolved: defaults by
    type are filled in.
    """
    postgres = service.type is ServiceType.VECTOR_STORE
    volumes = [
        {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}},
        *([{"name": "socket", "emptyDir": {"sizeLimit": "16Mi"}}] if postgres else []),
    ]
    grace = 60 if postgres else 30 + LINGER_SECONDS
    spec = pod_spec(rag, service.name, [_container(rag, service, images)], volumes, grace)
    every = {**common_labels(rag.metadata.name, service.name), **labels}
    return {"metadata": {"labels": every}, "spec": spec}


def pod_spec(
    rag: RAGDeployment, component: str, containers: list[Manifest], volumes: list[Manifest], grace: int
) -> Manifest:
    """What all pods have in common: no rights, no root, spread over nodes. `grace`: seconds to end in."""
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": grace,
        "containers": containers,
        "volumes": volumes,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": selector_labels(rag.metadata.name, component)},
            }
        ],
    }
    if rag.spec.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": ref.name} for ref in rag.spec.image_pull_secrets]
    return spec


def _container(rag: RAGDeployment, service: ServiceSpec, images: Images) -> Manifest:
    postgres = service.type is ServiceType.VECTOR_STORE
    port_name, port = port_of(service)
    container: Manifest = {
        "name": CONTAINER,
        "image": image_of(service, images),
        "command": [],
        "args": [] if postgres else [_ARGUMENT[service.type]],
        "env": postgres_environment(rag, service) if postgres else environment(rag, service),
        "ports": [{"name": port_name, "containerPort": port, "protocol": "TCP"}],
        "securityContext": hardened(),
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            *(
                [
                    {"name": DATA_VOLUME, "mountPath": DATA_PATH},
                    {"name": "socket", "mountPath": SOCKET_PATH},
                ]
                if postgres
                else []
            ),
        ],
        "resources": _resources(service),
        **_probes(service),
    }
    if not postgres:
        container["lifecycle"] = {"preStop": {"sleep": {"seconds": LINGER_SECONDS}}}
    return container


def hardened() -> Manifest:
    """The security context of every container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"add": [], "drop": ["ALL"]},
    }


def _probes(service: ServiceSpec) -> Manifest:
    """Readiness by the service's health settings; liveness is more patient: load must never restart a pod."""
    health = service.health
    ready: Manifest = {"httpGet": {"path": health.path or DEFAULT_HEALTH_PATH, "port": "http"}}
    alive: Manifest = {"httpGet": {"path": "/livez", "port": "http"}}
    if service.type is ServiceType.VECTOR_STORE:
        ready = {"exec": {"command": ["pg_isready", "-h", "127.0.0.1", "-U", "rag", "-d", "rag"]}}
        # During crash recovery the server answers nobody, and a restart would only begin it anew.
        alive = {"exec": {"command": ["test", "-s", f"{DATA_PATH}/pgdata/postmaster.pid"]}}
    return {
        "readinessProbe": {
            **ready,
            "periodSeconds": health.period_seconds,
            "timeoutSeconds": health.timeout_seconds,
            "failureThreshold": health.failure_threshold,
            "successThreshold": health.success_threshold,
        },
        # The start may take as long as the service's own timeout; until then liveness has no say.
        "startupProbe": {
            **alive,
            "periodSeconds": 2,
            "timeoutSeconds": 3,
            "failureThreshold": max(service.startup.timeout_seconds // 2, 1),
        },
        "livenessProbe": {**alive, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


# /tmp of 1Gi and the container's log.
_DISK: Final = {"requests": "64Mi", "limits": "1280Mi"}


def _resources(service: ServiceSpec) -> Manifest:
    given = service.resources or ResourcesSpec()
    return {
        "requests": {**_amounts(given.requests), "ephemeral-storage": _DISK["requests"]},
        "limits": {**_amounts(given.limits), "ephemeral-storage": _DISK["limits"]},
    }


def _amounts(part: ResourceList | None) -> dict[str, str]:
    given = part or ResourceList()
    named = {"cpu": given.cpu, "memory": given.memory, "nvidia.com/gpu": given.gpu}
    return {name: str(amount) for name, amount in named.items() if amount is not None}
