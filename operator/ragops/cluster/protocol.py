"""What ragops asks of Kubernetes: the small surface that the rest of the shell is written against."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from ragops.resources.child import ChildRef
from ragops.resources.difference import Path

Object = dict[str, Any]

REQUEST_TIMEOUT_SECONDS: Final = 15


class Cluster(Protocol):
    """What ragops asks of Kubernetes. Every method raises ClusterError."""

    async def list(
        self, api_version: str, kind: str, namespace: str | None, selector: str | None
    ) -> tuple[Sequence[Object], str]:
        """All objects of a kind with the label selector, and the resource version of the list."""

    async def get(self, namespace: str, ref: ChildRef) -> Object:
        """One object. Raises NotFoundError."""

    async def apply(self, namespace: str, manifest: Mapping[str, Any]) -> Object:
        """Server-side apply, taking over conflicting fields. Returns the object as stored.

        Raises ConflictError where the manifest has a resource version, and the object another one.
        """

    async def apply_repaired(
        self,
        namespace: str,
        manifest: Mapping[str, Any],
        live: Mapping[str, Any],
        repairs: Mapping[Path, Any],
    ) -> Object:
        """An apply over `live`, parts of which are replaced first. Raises InvalidError if it has changed."""

    async def hand_over_replicas(self, namespace: str, ref: ChildRef, version: str, replicas: int) -> Object:
        """Makes the scaler a co-owner of spec.replicas at its present value. Returns the object as stored.

        Raises ConflictError where it has changed.
        """

    async def annotate(self, namespace: str, pod: str, uid: str, annotations: Mapping[str, str]) -> Object:
        """Sets annotations of this very pod. Raises ConflictError for another one of its name."""

    async def delete(self, namespace: str, ref: ChildRef, uid: str) -> None:
        """Deletes this very object, its dependents in the background."""

    async def create(self, namespace: str, manifest: Mapping[str, Any]) -> None:
        """Creates an object. Raises ConflictError where there is one of that name."""

    async def replace(self, namespace: str, manifest: Mapping[str, Any]) -> Object:
        """Replaces an object of the same resource version. Raises ConflictError where it has changed."""

    async def scale(self, namespace: str, ref: ChildRef, version: str, replicas: int) -> None:
        """Sets the replicas of a workload through /scale. Raises ConflictError where it has changed."""

    async def apply_status(
        self, namespace: str, name: str, uid: str, version: str, status: Mapping[str, Any]
    ) -> Object:
        """Sets the whole status of this very RAGDeployment. Returns the object as stored.

        Raises ConflictError where it has changed.
        """

    async def pod_metrics(self, namespace: str, selector: str) -> Sequence[Object]:
        """PodMetrics of the resource metrics API."""
