"""Names that the outside world sees: API group, labels, field manager, object names."""

from typing import Final

GROUP: Final = "ragops.dev"
VERSION: Final = "v1alpha1"
API_VERSION: Final = "ragops.dev/v1alpha1"
KIND: Final = "RAGDeployment"
PLURAL: Final = "ragdeployments"
SINGULAR: Final = "ragdeployment"
SHORT_NAME: Final = "rag"

FIELD_MANAGER: Final = "ragops"

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
INSTANCE_LABEL: Final = "app.kubernetes.io/instance"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
PART_OF_LABEL: Final = "app.kubernetes.io/part-of"
RAG_LABEL: Final = "ragops.dev/rag"
SERVICE_LABEL: Final = "ragops.dev/service"
VARIANT_LABEL: Final = "ragops.dev/variant"
"""On pods: which of the two workloads of a service a pod is of, while a new version is rolled out."""
REVISION_ANNOTATION: Final = "ragops.dev/revision"
"""On a Deployment or StatefulSet: the version that its pods are made from."""
ROLLOUT_COMMAND_PREFIX: Final = "rollout.ragops.dev/"
"""On a RAGDeployment, followed by the name of a service: promote or abort, a colon and the revision meant."""
GATEWAY: Final = "gateway"
"""What stands in the place of a service's name in the names and labels of the gateway's objects."""
CONFIG_ANNOTATION: Final = "ragops.dev/gateway-config"
"""On a gateway's pod: the configuration that its kubelet has been told of."""
PORTS_ANNOTATION: Final = "ragops.dev/gateway-ports"
"""On a gateway's ConfigMap: the port of each service."""
MANAGED_SELECTOR: Final = f"{MANAGED_BY_LABEL}={FIELD_MANAGER}"

MAX_CHILD_NAME: Final = 52
"""A StatefulSet's name plus its revision hash (11 characters) must fit into a label value of 63."""


def child_name(rag: str, service: str) -> str:
    """Name of the workload and of the stable Service of one service."""
    return f"{rag}-{service}"


def candidate_name(rag: str, service: str) -> str:
    """Name of the workload of a new version that is tried beside the service's own."""
    return f"{child_name(rag, service)}-candidate"


def gateway_name(rag: str) -> str:
    """Name of the gateway's objects."""
    return child_name(rag, GATEWAY)


def headless_name(rag: str, service: str) -> str:
    """Name of the headless Service that gives a StatefulSet's pods their DNS names."""
    return f"{child_name(rag, service)}-headless"


def credentials_name(rag: str, service: str) -> str:
    """Name of the Secret with the password of a vector store."""
    return f"{child_name(rag, service)}-credentials"


def selector_labels(rag: str, service: str) -> dict[str, str]:
    """The labels that select one service's pods: immutable, so as few as are needed."""
    return {RAG_LABEL: rag, SERVICE_LABEL: service}


def common_labels(rag: str, service: str) -> dict[str, str]:
    """The recommended labels of Kubernetes plus our selector labels, for every child."""
    return {
        MANAGED_BY_LABEL: FIELD_MANAGER,
        PART_OF_LABEL: FIELD_MANAGER,
        INSTANCE_LABEL: rag,
        COMPONENT_LABEL: service,
        **selector_labels(rag, service),
    }
