"""The StatefulSet of a vector store."""

from ragops.api.base import ServiceType
from ragops.api.names import REVISION_ANNOTATION, child_name, headless_name, selector_labels
from ragops.api.rag import RAGDeployment
from ragops.api.service import ServiceSpec, StorageSpec
from ragops.resources.child import ChildRef, Manifest, manifest
from ragops.resources.pod import DATA_VOLUME, Images, pod_template


def build_statefulset(
    rag: RAGDeployment, service: ServiceSpec, images: Images, revision: str
) -> Manifest | None:
    """The StatefulSet; None for services with a Deployment."""
    if service.type is not ServiceType.VECTOR_STORE:
        return None
    storage = service.storage or StorageSpec()
    return manifest(
        rag,
        service.name,
        ChildRef("apps/v1", "StatefulSet", child_name(rag.metadata.name, service.name)),
        annotations={REVISION_ANNOTATION: revision},
        spec={
            "replicas": service.replicas if service.replicas is not None else 1,
            "serviceName": headless_name(rag.metadata.name, service.name),
            "selector": {"matchLabels": selector_labels(rag.metadata.name, service.name)},
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "revisionHistoryLimit": 3,
            "persistentVolumeClaimRetentionPolicy": {
                "whenDeleted": storage.reclaim.value,
                "whenScaled": "Retain",
            },
            "template": pod_template(rag, service, images, selector_labels(rag.metadata.name, service.name)),
            "volumeClaimTemplates": [_claim(rag, service, storage)],
        },
    )


def _claim(rag: RAGDeployment, service: ServiceSpec, storage: StorageSpec) -> Manifest:
    """The volume claim. It carries the selector labels only: a claim outlives its StatefulSet."""
    spec: Manifest = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": DATA_VOLUME, "labels": selector_labels(rag.metadata.name, service.name)},
        "spec": spec,
    }
