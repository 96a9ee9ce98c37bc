"""Requests to the API server, by kubernetes.aio's dynamic client: what stands behind the Cluster protocol."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient
from kubernetes.aio.dynamic.exceptions import ResourceNotFoundError
from kubernetes.aio.dynamic.resource import Resource

from ragops.api.names import API_VERSION, FIELD_MANAGER, KIND
from ragops.cluster.errors import (
    ClusterError,
    ConflictError,
    InvalidError,
    NotFoundError,
    NotServedError,
    UnavailableError,
)
from ragops.cluster.protocol import REQUEST_TIMEOUT_SECONDS, Object
from ragops.orchestration.observation import SCALER_MANAGER
from ragops.resources.child import ChildRef, ref_of
from ragops.resources.difference import Path

PAGE_SIZE: Final = 500
"""Objects in one answer to a list: its parsing holds up the event loop for some ten milliseconds."""
REPAIR_MANAGER: Final = "ragops-repair"
LEASE: Final = "Lease"
RAG_REF: Final = ChildRef(API_VERSION, KIND, "")


class KubernetesCluster:
    """The API server, through kubernetes.aio's dynamic client."""

    def __init__(self, client: DynamicClient) -> None:
        self._client = client
        self.fence: Callable[[], float] = _open
        """Called before each write to anything but the Lease: its timeout. Raises NotLeaderError."""
        self._resources: dict[tuple[str, str], Resource] = {}
        self._discovery = asyncio.Lock()

    @classmethod
    async def connect(cls, client: ApiClient) -> "KubernetesCluster":
        """Asks the API server what it serves. Raises UnavailableError when it does not answer."""
        return cls(await translated(DynamicClient(client)))  # type: ignore[no-untyped-call]

    async def list(
        self, api_version: str, kind: str, namespace: str | None, selector: str | None
    ) -> tuple[Sequence[Object], str]:
        resource = await self._resource(api_version, kind)
        items: list[Object] = []
        token: str | None = None
        while True:
            page = await self._request(
                resource.get(
                    namespace=namespace,
                    label_selector=selector,
                    limit=PAGE_SIZE,
                    _continue=token,
                    serializer=_plain,
                    _request_timeout=REQUEST_TIMEOUT_SECONDS,
                )
            )
            # Items of a list come without their kind.
            items += [{"apiVersion": api_version, "kind": kind, **item} for item in page["items"]]
            token = page["metadata"].get("continue")
            if not token:
                # The metrics API, which computes its answers, has no resource version.
                return items, page["metadata"].get("resourceVersion", "0")

    async def get(self, namespace: str, ref: ChildRef) -> Object:
        resource = await self._resource(ref.api_version, ref.kind)
        return await self._request(
            resource.get(name=ref.name, namespace=namespace, _request_timeout=REQUEST_TIMEOUT_SECONDS)
        )

    async def apply(self, namespace: str, manifest: Mapping[str, Any]) -> Object:
        return await self._apply(namespace, manifest, FIELD_MANAGER)

    async def apply_repaired(
        self,
        namespace: str,
        manifest: Mapping[str, Any],
        live: Mapping[str, Any],
        repairs: Mapping[Path, Any],
    ) -> Object:
        changes = [
            _test("/metadata/resourceVersion", live["metadata"]["resourceVersion"]),
            *({"op": "replace", "path": _pointer(path), "value": value} for path, value in repairs.items()),
        ]
        await self._json_patch(namespace, ref_of(live), changes)
        applied = await self.apply(namespace, manifest)
        # As a second owner the repair would keep these fields once they are dropped from the manifest.
        owners = enumerate(applied["metadata"]["managedFields"])
        entries = [
            f"/metadata/managedFields/{i}" for i, owner in owners if owner["manager"] == REPAIR_MANAGER
        ]
        forget = [[_test(f"{e}/manager", REPAIR_MANAGER), {"op": "remove", "path": e}] for e in entries]
        return await self._json_patch(namespace, ref_of(live), [step for steps in forget for step in steps])

    async def hand_over_replicas(self, namespace: str, ref: ChildRef, version: str, replicas: int) -> Object:
        manifest = {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "metadata": {"name": ref.name, "resourceVersion": version},
            "spec": {"replicas": replicas},
        }
        return await self._apply(namespace, manifest, SCALER_MANAGER)

    async def annotate(self, namespace: str, pod: str, uid: str, annotations: Mapping[str, str]) -> Object:
        metadata = {"name": pod, "uid": uid, "annotations": dict(annotations)}
        return await self._apply(
            namespace, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}, FIELD_MANAGER
        )

    async def delete(self, namespace: str, ref: ChildRef, uid: str) -> None:
        resource = await self._resource(ref.api_version, ref.kind)
        await self._request(
            resource.delete(
                name=ref.name,
                namespace=namespace,
                body={"preconditions": {"uid": uid}, "propagationPolicy": "Background"},
                _request_timeout=self.fence(),
            )
        )

    async def create(self, namespace: str, manifest: Mapping[str, Any]) -> None:
        ref = ref_of(manifest)
        resource = await self._resource(ref.api_version, ref.kind)
        await self._request(
            resource.create(
                body=dict(manifest),
                namespace=namespace,
                field_manager=FIELD_MANAGER,
                _request_timeout=REQUEST_TIMEOUT_SECONDS if ref.kind == LEASE else self.fence(),
            )
        )

    async def replace(self, namespace: str, manifest: Mapping[str, Any]) -> Object:
        ref = ref_of(manifest)
        resource = await self._resource(ref.api_version, ref.kind)
        return await self._request(
            resource.replace(
                body=dict(manifest), namespace=namespace, _request_timeout=REQUEST_TIMEOUT_SECONDS
            )
        )

    async def scale(self, namespace: str, ref: ChildRef, version: str, replicas: int) -> None:
        resource = await self._resource(ref.api_version, ref.kind)
        await self._request(
            resource.subresources["scale"].patch(
                name=ref.name,
                namespace=namespace,
                body={
                    "apiVersion": "autoscaling/v1",
                    "kind": "Scale",
                    "metadata": {"name": ref.name, "resourceVersion": version},
                    "spec": {"replicas": replicas},
                },
                # Of any other patch the API server notes no owner where nobody owned the replicas before.
                content_type="application/apply-patch+yaml",
                field_manager=SCALER_MANAGER,
                force_conflicts=True,
                _request_timeout=self.fence(),
            )
        )

    async def apply_status(
        self, namespace: str, name: str, uid: str, version: str, status: Mapping[str, Any]
    ) -> Object:
        resource = await self._resource(RAG_REF.api_version, RAG_REF.kind)
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name, "uid": uid, "resourceVersion": version},
            "status": dict(status),
        }
        return await self._request(
            resource.subresources["status"].patch(
                name=name,
                namespace=namespace,
                body=body,
                content_type="application/apply-patch+yaml",
                field_manager=FIELD_MANAGER,
                force_conflicts=True,
                _request_timeout=self.fence(),
            )
        )

    async def pod_metrics(self, namespace: str, selector: str) -> Sequence[Object]:
        items, _ = await self.list("metrics.k8s.io/v1beta1", "PodMetrics", namespace, selector)
        return items

    async def _json_patch(self, namespace: str, ref: ChildRef, changes: Sequence[Object]) -> Object:
        """RFC 6902, all or nothing."""
        resource = await self._resource(ref.api_version, ref.kind)
        return await self._request(
            resource.patch(
                name=ref.name,
                namespace=namespace,
                body=list(changes),
                content_type="application/json-patch+json",
                field_manager=REPAIR_MANAGER,
                _request_timeout=self.fence(),
            )
        )

    async def _apply(self, namespace: str, manifest: Mapping[str, Any], manager: str) -> Object:
        ref = ref_of(manifest)
        resource = await self._resource(ref.api_version, ref.kind)
        return await self._request(
            resource.server_side_apply(
                body=dict(manifest),
                namespace=namespace,
                field_manager=manager,
                force_conflicts=True,
                _request_timeout=self.fence(),
            )
        )

    async def _resource(self, api_version: str, kind: str) -> Resource:
        """How to address a kind. Raises NotServedError."""
        if (api_version, kind) not in self._resources:
            # The client's discovery replaces its cache while others search it: one at a time.
            async with self._discovery:
                try:
                    found = await translated(self._client.resources.get(api_version=api_version, kind=kind))
                except ResourceNotFoundError as error:
                    raise NotServedError(api_version, kind) from error
            self._resources[api_version, kind] = found
        return self._resources[api_version, kind]

    async def _request(self, request: Awaitable[Any]) -> Object:
        answer = await translated(request)
        result: Object = answer if isinstance(answer, dict) else answer.to_dict()
        return result


def _open() -> float:
    """No fence: until there is an election, every write may go."""
    return REQUEST_TIMEOUT_SECONDS


def _plain(_client: object, data: Object) -> Object:
    """Long lists stay as they are: wrapping each of their values takes seconds."""
    return data


def _test(path: str, value: object) -> Object:
    return {"op": "test", "path": path, "value": value}


def _pointer(path: Path) -> str:
    """RFC 6901."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


async def translated(request: Awaitable[Any]) -> Any:
    """Awaits a request of the client; its many exceptions become ours."""
    try:
        return await request
    except ApiException as error:
        raise cluster_error(error) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise UnavailableError("Unreachable", f"{type(error).__name__}: {error}") from error


def cluster_error(error: ApiException) -> ClusterError:
    """The Status object that the API server answers with, as an exception."""
    try:
        status = json.loads(error.body or "{}")
    except ValueError:
        status = {}
    reason = status.get("reason") or error.reason or str(error.status)
    message = status.get("message") or f"HTTP {error.status}"
    if error.status == 404:
        return NotFoundError(reason, message)
    if error.status == 409:
        return ConflictError(reason, message)
    if error.status == 422:
        return InvalidError(reason, message)
    if error.status == 429 or (error.status or 0) >= 500:
        return UnavailableError(reason, message)
    return ClusterError(reason, message)
