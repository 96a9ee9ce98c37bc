"""A namespace of one test: its objects, by plain requests to the API server."""

import base64
import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from .eventually import eventually

Object = dict[str, Any]

PERSON: Final = "kubectl-edit"
"""Field manager of what people do by hand."""

_PATHS: Final = {
    "RAGDeployment": ("ragops.dev/v1alpha1", "ragdeployments"),
    "Deployment": ("apps/v1", "deployments"),
    "StatefulSet": ("apps/v1", "statefulsets"),
    "ReplicaSet": ("apps/v1", "replicasets"),
    "ControllerRevision": ("apps/v1", "controllerrevisions"),
    "Service": ("v1", "services"),
    "Secret": ("v1", "secrets"),
    "ConfigMap": ("v1", "configmaps"),
    "Pod": ("v1", "pods"),
    "PersistentVolumeClaim": ("v1", "persistentvolumeclaims"),
    "ServiceAccount": ("v1", "serviceaccounts"),
    "PodDisruptionBudget": ("policy/v1", "poddisruptionbudgets"),
    "Event": ("events.k8s.io/v1", "events"),
    "ResourceQuota": ("v1", "resourcequotas"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "HorizontalPodAutoscaler": ("autoscaling/v2", "horizontalpodautoscalers"),
    "PodMetrics": ("metrics.k8s.io/v1beta1", "pods"),
}
WORKLOADS: Final = ("Deployment", "StatefulSet")
CHILDREN: Final = (*WORKLOADS, "Service", "PodDisruptionBudget")
LEFTOVERS: Final = (*CHILDREN, "Secret", "ReplicaSet", "ControllerRevision", "Pod")
"""All kinds that a RAGDeployment brings about, but for claims and Events."""

SIX: Final = {
    "vector-store": "VectorStore",
    "embeddings": "Embeddings",
    "documents": "DocumentProcessor",
    "retrieval": "Retrieval",
    "generation": "Generation",
    "api": "OrchestrationAPI",
}


def services(*names: str, **changes: Mapping[str, Any]) -> list[Object]:
    """Services of the usual six, all of them if none is named, with changes by name (_ for -)."""
    return [
        {"name": name, "type": SIX[name], **changes.get(name.replace("-", "_"), {})} for name in names or SIX
    ]


class Refused(Exception):
    """The API server said no: its HTTP status and message."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.status_code}: {response.text}")
        self.status = response.status_code


def connect(kubeconfig: Path) -> httpx.Client:
    """A client with the server, authority and token of a kubeconfig."""
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    authority = base64.b64decode(cluster["certificate-authority-data"])
    return httpx.Client(
        base_url=cluster["server"],
        headers={"Authorization": f"Bearer {user['token']}"},
        verify=ssl.create_default_context(cadata=authority.decode()),
        timeout=30,
    )


@dataclass(frozen=True)
class Space:
    """One namespace."""

    client: httpx.Client
    namespace: str

    def find(self, kind: str, name: str) -> Object | None:
        """An object, None when there is none of that name."""
        try:
            return self._call("GET", kind, name)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def get(self, kind: str, name: str) -> Object:
        """An object. Raises Refused."""
        return self._call("GET", kind, name)

    def all_of(self, kind: str, selector: str = "") -> list[Object]:
        """All objects of a kind, with a label selector."""
        items: list[Object] = self._call("GET", kind, params={"labelSelector": selector})["items"]
        return items

    def create(self, kind: str, name: str, **body: Any) -> Object:
        """Creates an object. Raises Refused."""
        return self._call("POST", kind, body=_manifest(kind, name, body))

    def patch(self, kind: str, name: str, patch: Object, subresource: str = "", by: str = PERSON) -> Object:
        """JSON merge patch (RFC 7396) in the name of a field manager."""
        return self._call(
            "PATCH",
            kind,
            f"{name}/{subresource}".rstrip("/"),
            body=patch,
            content="application/merge-patch+json",
            params={"fieldManager": by},
        )

    def strategic_patch(self, kind: str, name: str, patch: Object) -> Object:
        """Strategic merge patch, as `kubectl patch` makes it: lists are merged by their keys."""
        return self._call(
            "PATCH",
            kind,
            name,
            body=patch,
            content="application/strategic-merge-patch+json",
            params={"fieldManager": PERSON},
        )

    def apply(self, kind: str, name: str, by: str, **body: Any) -> Object:
        """Server-side apply in the name of a field manager. Raises Refused on conflicts."""
        return self._call(
            "PATCH",
            kind,
            name,
            body=_manifest(kind, name, body),
            content="application/apply-patch+yaml",
            params={"fieldManager": by},
        )

    def delete(self, kind: str, name: str) -> None:
        """Deletes an object, its dependents in the background."""
        self._call("DELETE", kind, name, params={"propagationPolicy": "Background"})

    def answers(self) -> bool:
        """Whether the API server can be reached, and is ready."""
        try:
            return self.client.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def watch(self, path: str, parameters: Mapping[str, str]) -> list[Object]:
        """The events of a watch until its timeout."""
        response = self.client.get(path, params=parameters)
        return [json.loads(line) for line in response.text.splitlines()]

    def apply_rag(self, services: list[Object], name: str = "demo", **spec: Any) -> Object:
        """Makes or changes a RAGDeployment, as `kubectl apply --server-side` does."""
        return self.apply("RAGDeployment", name, "kubectl", spec={"services": services, **spec})

    def service(self, name: str, rag: str = "demo") -> Object:
        """The status of one service; empty before there is any."""
        status = self.get("RAGDeployment", rag).get("status", {})
        return next((s for s in status.get("services", ()) if s["name"] == name), {})

    def state(self, name: str, rag: str = "demo") -> str | None:
        """The state of one service."""
        return self.service(name, rag).get("state")

    def condition(self, kind: str, rag: str = "demo") -> Object:
        """A condition of a RAGDeployment that speaks of its current generation; empty when there is none."""
        obj = self.get("RAGDeployment", rag)
        return next(
            (
                c
                for c in obj.get("status", {}).get("conditions", ())
                if c["type"] == kind and c["observedGeneration"] == obj["metadata"]["generation"]
            ),
            {},
        )

    def await_ready(self, rag: str = "demo", timeout: float = 30.0) -> None:
        """Waits until all services are ready in the status, and no update is under way."""

        def is_settled() -> bool:
            settled = self.condition("Progressing", rag).get("status") == "False"
            return settled and self.condition("Ready", rag).get("status") == "True"

        eventually(is_settled, f"{rag} is ready", timeout)

    def await_state(self, name: str, state: str, rag: str = "demo", timeout: float = 30.0) -> Object:
        """Waits until a service is in a state. Returns its status."""
        eventually(lambda: self.state(name, rag) == state, f"{name} is {state}", timeout)
        return self.service(name, rag)

    def workload(self, service: str, rag: str = "demo") -> Object | None:
        """The Deployment or StatefulSet of a service."""
        found = (self.find(kind, f"{rag}-{service}") for kind in WORKLOADS)
        return next(filter(None, found), None)

    def replicas(self, service: str, rag: str = "demo") -> int | None:
        """spec.replicas of the workload of a service; None when there is no workload."""
        workload = self.workload(service, rag)
        return workload["spec"]["replicas"] if workload else None

    def pods(self, service: str, rag: str = "demo") -> list[Object]:
        """The pods of a service that are not on their way out."""
        found = self.all_of("Pod", f"ragops.dev/rag={rag},ragops.dev/service={service}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def children(self, kinds: Iterable[str] = CHILDREN) -> dict[tuple[str, str], Object]:
        """All objects with our label, by kind and name."""
        return {
            (kind, obj["metadata"]["name"]): obj
            for kind in kinds
            for obj in self.all_of(kind, "app.kubernetes.io/managed-by=ragops")
        }

    def identities(self, kinds: Iterable[str] = CHILDREN) -> dict[tuple[str, str], tuple[str, int]]:
        """uid and generation of all children: unchanged when nobody has changed what is wanted of them."""
        return {
            key: (obj["metadata"]["uid"], obj["metadata"].get("generation", 0))
            for key, obj in self.children(kinds).items()
        }

    def set_ready(self, service: str, ready: bool = True, rag: str = "demo") -> None:
        """Writes the status of the pods of a service, as a kubelet does; waits until all wanted exist."""
        eventually(lambda: self._has_all(service, rag), f"{service} has its pods")
        condition = {
            "type": "Ready",
            "status": str(ready),
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        status = {"status": {"phase": "Running", "conditions": [condition]}}

        def written() -> bool:
            found = self.pods(service, rag)
            return all(self.patch_pod(pod, status, "status", by="kubelet") for pod in found)

        eventually(written, f"the status of all pods of {service} is written")

    def patch_pod(self, pod: Object, change: Object, subresource: str = "", by: str = PERSON) -> bool:
        """A change of a pod. Returns whether it was still there: controllers take pods away at any time."""
        try:
            self.patch("Pod", pod["metadata"]["name"], change, subresource, by=by)
        except Refused as refused:
            if refused.status != 404:
                raise
            return False
        return True

    def _has_all(self, service: str, rag: str) -> bool:
        wanted = self.replicas(service, rag)
        return wanted is not None and len(self.pods(service, rag)) >= wanted > 0

    def lead(self, pod: Object, address: str) -> None:
        """Gives a pod an address, as a kubelet does, unless it has that one."""
        if pod.get("status", {}).get("podIP") != address:
            status = {"podIP": address, "podIPs": [{"ip": address}]}
            self.patch_pod(pod, {"status": status}, "status", by="kubelet")

    def use(self, service: str, rag: str = "demo", **amounts: str) -> None:
        """What each pod of a service uses from now on, of `cpu` and `memory`; metrics-server tells."""
        annotations = {f"kwok.x-k8s.io/usage-{resource}": amount for resource, amount in amounts.items()}
        for pod in self.pods(service, rag):
            self.patch_pod(pod, {"metadata": {"annotations": annotations}})

    def _call(
        self,
        method: str,
        kind: str,
        name: str = "",
        body: Object | None = None,
        content: str = "application/json",
        params: Mapping[str, str] | None = None,
    ) -> Object:
        version, plural = _PATHS[kind]
        root = "api" if version == "v1" else "apis"
        response = self.client.request(
            method,
            f"/{root}/{version}/namespaces/{self.namespace}/{plural}/{name}".rstrip("/"),
            json=body,
            headers={"Content-Type": content},
            params=params,
        )
        if response.is_error:
            raise Refused(response)
        result: Object = response.json()
        return result


def _manifest(kind: str, name: str, body: Mapping[str, Any]) -> Object:
    metadata = {"name": name, **body.get("metadata", {})}
    return {"apiVersion": _PATHS[kind][0], "kind": kind, **body, "metadata": metadata}
