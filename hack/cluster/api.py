"""The few requests this tool makes to a cluster's API server."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.errors import ClusterError
from cluster.probes import Answer, request
from cluster.state import Cluster, Place

_PLURALS = {
    "APIService": "apiservices",
    "EndpointSlice": "endpointslices",
    "Node": "nodes",
    "Service": "services",
    "StorageClass": "storageclasses",
}


@dataclass(frozen=True)
class Api:
    """Requests as the cluster's administrator."""

    server: str
    authority: Path
    token: str

    @classmethod
    def of(cls, place: Place, cluster: Cluster) -> "Api":
        """The API server of a cluster."""
        return cls(cluster.server, place.pki / "ca.crt", place.token.read_text())

    def ready(self) -> bool:
        """Whether the API server calls itself ready."""
        return self._request("/readyz").ok

    def get(self, path: str) -> dict[str, Any] | None:
        """The object at a path of the API; None when it is not there or no answer comes."""
        answer = self._request(path)
        return json.loads(answer.body) if answer.ok else None

    def create(self, objects: Iterable[dict[str, Any]]) -> None:
        """Create objects, each of them new. Raises ClusterError with the server's message."""
        for item in objects:
            answer = self._request(_collection(item), method="POST", body=json.dumps(item))
            if not answer.ok:
                name = f"{item['kind']} {item['metadata']['name']}"
                raise ClusterError(f"creating {name} failed with HTTP {answer.status}: {answer.body}")

    def _request(self, path: str, *, method: str = "GET", body: str | None = None) -> Answer:
        return request(self.server + path, self.authority, token=self.token, method=method, body=body)


def condition(item: dict[str, Any] | None, kind: str) -> bool:
    """Whether a condition in the status of an object is True."""
    found = (item or {}).get("status", {}).get("conditions") or []
    return any(entry["type"] == kind and entry["status"] == "True" for entry in found)


def _collection(item: dict[str, Any]) -> str:
    version, namespace = item["apiVersion"], item["metadata"].get("namespace")
    root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
    return f"{root}{f'/namespaces/{namespace}' if namespace else ''}/{_PLURALS[item['kind']]}"
