"""The Deployments of a stateless service: its own, and that of a new version which is tried beside it."""

from typing import Final

from ragops.api.base import ServiceType
from ragops.api.names import REVISION_ANNOTATION, candidate_name, child_name
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec
from ragops.resources.child import ChildRef, Manifest, manifest
from ragops.resources.pod import Images, pod_template
from ragops.resources.variant import Variant, variant_labels

_SURGING: Final = {"maxSurge": "25%", "maxUnavailable": 0}
"""A new pod must be ready before an old one goes: an update never lowers capacity."""
_IN_PLACE: Final = {"maxSurge": 0, "maxUnavailable": "25%"}
"""An old pod makes way for a new one: an update needs no room."""


def build_deployment(
    rag: RAGDeployment,
    service: ServiceSpec,
    images: Images,
    revision: str,
    selector: Manifest | None = None,
    idle: bool = False,
) -> Manifest | None:
    """The service's own Deployment; None for services with a StatefulSet. `selector` is that of the live one,
    `idle` one without requests.

    `spec.replicas` is set only where the user gave a number and nobody else owns it: with autoscaling it
    belongs to the scaler, and left out it belongs to an HPA, KEDA or a person.
    """
    if service.type is ServiceType.VECTOR_STORE:
        return None
    name = child_name(rag.metadata.name, service.name)
    return _deployment(rag, service, images, revision, Variant.STABLE, name, service.replicas, selector, idle)


def build_candidate(
    rag: RAGDeployment, service: ServiceSpec, images: Images, revision: str, replicas: int
) -> Manifest:
    """The Deployment of a new version. Its size belongs to the rollout."""
    name = candidate_name(rag.metadata.name, service.name)
    return _deployment(rag, service, images, revision, Variant.CANDIDATE, name, replicas)


def _deployment(
    rag: RAGDeployment,
    service: ServiceSpec,
    images: Images,
    revision: str,
    variant: Variant,
    name: str,
    replicas: int | None,
    selector: Manifest | None = None,
    idle: bool = False,
) -> Manifest:
    labels = variant_labels(rag.metadata.name, service.name, variant)
    return manifest(
        rag,
        service.name,
        ChildRef("apps/v1", "Deployment", name),
        annotations={REVISION_ANNOTATION: revision},
        spec={
            **({"replicas": replicas} if replicas is not None else {}),
            # Immutable: operators before made it without the variant.
            "selector": selector or {"matchLabels": labels},
            # Said although they are the defaults: what is set by hand must come back.
            "paused": False,
            "minReadySeconds": 0,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": dict(_IN_PLACE if idle else _SURGING)},
            "revisionHistoryLimit": 3,
            # Failing to start is told by our own timeout, with its reason; this is only a backstop.
            "progressDeadlineSeconds": max(service.startup.timeout_seconds, 60) + 60,
            "template": pod_template(rag, service, images, labels),
        },
    )
