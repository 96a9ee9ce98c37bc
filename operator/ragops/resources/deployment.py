"""The Deployment of a stateless service."""

from ragops.api.base import ServiceType
from ragops.api.names import child_name, selector_labels
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.resources.child import ChildRef, Manifest, manifest
from ragops.resources.pod import Images, pod_template


def build_deployment(rag: RAGDeployment, service: ServiceSpec, images: Images) -> Manifest | None:
    """The Deployment; None for services with a StatefulSet.

    `spec.replicas` is set only where the user gave a number and nobody else owns it: with autoscaling it
    belongs to the scaler, and left out it belongs to an HPA, KEDA or a person.
    """
    if service.type is ServiceType.VECTOR_STORE:
        return None
    selector = selector_labels(rag.metadata.name, service.name)
    return manifest(
        rag,
        service,
        ChildRef("apps/v1", "Deployment", child_name(rag.metadata.name, service.name)),
        spec={
            **({"replicas": service.replicas} if service.replicas is not None else {}),
            "selector": {"matchLabels": selector},
            # A new pod must be ready before an old one goes: an update never lowers capacity.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            "revisionHistoryLimit": 3,
            # Failing to start is told by our own timeout, with its reason; this is only a backstop.
            "progressDeadlineSeconds": max(service.startup.timeout_seconds, 60) + 60,
            "template": pod_template(rag, service, images),
        },
    )
