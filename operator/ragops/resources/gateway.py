"""The gateway of a RAGDeployment: HAProxy with its agent in each pod, and the ConfigMap that both read."""

import json
from collections.abc import Mapping
from typing import Any, Final

from ragops.api.names import GATEWAY, PORTS_ANNOTATION, gateway_name, selector_labels
from ragops.api.names import common_labels as labels_of
from ragops.api.rag import RAGDeployment
from ragops.gateway.layout import Layout
from ragops.gateway.naming import digest
from ragops.resources.child import ChildRef, Manifest, manifest
from ragops.resources.pdb import one_at_a_time
from ragops.resources.pod import LINGER_SECONDS, Images, hardened, pod_spec

LAYOUT: Final = Layout()
DRAIN_SECONDS: Final = 60
"""For requests under way in a gateway pod that is deleted."""
_BYTES_PER_CONNECTION: Final = 64 * 2**10


def gateway_ref(rag: str) -> ChildRef:
    """The gateway's Deployment."""
    return ChildRef("apps/v1", "Deployment", gateway_name(rag))


def config_ref(rag: str) -> ChildRef:
    """The gateway's ConfigMap."""
    return ChildRef("v1", "ConfigMap", gateway_name(rag))


def config_digest(config: Mapping[str, Any]) -> str:
    """A short name of all that a ConfigMap holds."""
    return digest(json.dumps(config.get("data") or {}, sort_keys=True))


def build_gateway(
    rag: RAGDeployment, images: Images, files: Mapping[str, str], ports: Mapping[str, int]
) -> tuple[Manifest, ...]:
    """All objects of the gateway. `files`: the content of the ConfigMap; `ports`: by service."""
    name = rag.metadata.name
    config = manifest(
        rag,
        GATEWAY,
        config_ref(name),
        annotations={PORTS_ANNOTATION: json.dumps(ports, sort_keys=True)},
        data=dict(files),
    )
    return config, one_at_a_time(rag, GATEWAY), _deployment(rag, images)


def _deployment(rag: RAGDeployment, images: Images) -> Manifest:
    name = rag.metadata.name
    selector = selector_labels(name, GATEWAY)
    volumes: list[Manifest] = [
        {"name": "config", "configMap": {"name": gateway_name(name)}},
        {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
        {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
    ]
    if tls := rag.spec.gateway.tls:
        volumes.append({"name": "tls", "secret": {"secretName": tls.secret_name}})
    # HAProxy ends when its last request has, and the agent with it.
    spec = pod_spec(
        rag, GATEWAY, [_haproxy(rag, images), _agent(rag, images)], volumes, LINGER_SECONDS + DRAIN_SECONDS
    )
    return manifest(
        rag,
        GATEWAY,
        gateway_ref(name),
        spec={
            "replicas": rag.spec.gateway.replicas,
            "selector": {"matchLabels": selector},
            "paused": False,
            "minReadySeconds": 0,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 180,
            "template": {"metadata": {"labels": labels_of(name, GATEWAY)}, "spec": spec},
        },
    )


def _haproxy(rag: RAGDeployment, images: Images) -> Manifest:
    memory = 64 * 2**20 + rag.spec.gateway.max_connections * _BYTES_PER_CONNECTION
    return {
        "name": "haproxy",
        "image": images.haproxy,
        "command": list(LAYOUT.haproxy_command()),
        "args": [],
        "ports": [{"name": "health", "containerPort": LAYOUT.health_port, "protocol": "TCP"}],
        "securityContext": hardened(),
        "volumeMounts": _mounts(rag),
        "resources": {
            "requests": {"cpu": "100m", "memory": "64Mi", "ephemeral-storage": "16Mi"},
            "limits": {"memory": str(memory), "ephemeral-storage": "128Mi"},
        },
        "lifecycle": {"preStop": {"sleep": {"seconds": LINGER_SECONDS}}},
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": "health"},
            "periodSeconds": 2,
            "timeoutSeconds": 3,
            "failureThreshold": 2,
            "successThreshold": 1,
        },
        "livenessProbe": {
            "tcpSocket": {"port": "health"},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
    }


def _agent(rag: RAGDeployment, images: Images) -> Manifest:
    port = {"port": "agent"}
    return {
        "name": "agent",
        "image": images.operator,
        "command": [],
        "args": ["gateway-agent"],
        "ports": [{"name": "agent", "containerPort": LAYOUT.agent_port, "protocol": "TCP"}],
        "securityContext": hardened(),
        "volumeMounts": [*_mounts(rag), {"name": "tmp", "mountPath": "/tmp"}],
        "resources": {
            "requests": {"cpu": "50m", "memory": "96Mi", "ephemeral-storage": "16Mi"},
            "limits": {"memory": "256Mi", "ephemeral-storage": "128Mi"},
        },
        # Requests go on without it: only its own restart may follow from what it answers.
        "lifecycle": {"preStop": {"sleep": {"seconds": LINGER_SECONDS}}},
        "livenessProbe": {
            "httpGet": {"path": "/healthz", **port},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }


def _mounts(rag: RAGDeployment) -> list[Manifest]:
    """Of both: the agent sees to it that HAProxy reads a renewed certificate."""
    mounts: list[Manifest] = [
        {"name": "config", "mountPath": str(LAYOUT.config), "readOnly": True},
        {"name": "run", "mountPath": str(LAYOUT.run)},
    ]
    if rag.spec.gateway.tls:
        mounts.append({"name": "tls", "mountPath": str(LAYOUT.tls), "readOnly": True})
    return mounts
