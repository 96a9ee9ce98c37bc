"""RAGDeployments as the API server stores them, read as the commands read them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ragops.cli.system import System, read

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIX = {
    "vector-store": "VectorStore",
    "embeddings": "Embeddings",
    "documents": "DocumentProcessor",
    "retrieval": "Retrieval",
    "generation": "Generation",
    "api": "OrchestrationAPI",
}


def ago(**time: float) -> str:
    """A moment before NOW, as status writes it."""
    return (NOW - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ready(**fields: Any) -> dict[str, Any]:
    """The status of a service that is well."""
    return {
        "state": "Ready",
        "replicas": 1,
        "readyReplicas": 1,
        "health": {"state": "Healthy", "lastTransition": ago(hours=1)},
        "startup": {"startedAt": ago(hours=2), "readyAt": ago(hours=1)},
        **fields,
    }


def condition(kind: str, status: str, reason: str, message: str = "", generation: int = 3) -> dict[str, Any]:
    """A condition of a minute ago."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": ago(minutes=1),
    }


def stored(
    services: list[dict[str, Any]],
    status: Mapping[str, dict[str, Any]] | None = None,
    conditions: list[dict[str, Any]] | None = None,
    observed: int | None = 3,
    annotations: Mapping[str, str] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """The object, `status` by service; those that it does not name are well."""
    known = [
        {"name": s["name"], "type": s["type"], **(status or {}).get(s["name"], ready())} for s in services
    ]
    seen = {"observedGeneration": observed, "services": known, "conditions": conditions or []}
    good = sum(s["state"] == "Ready" for s in known)
    return {
        "apiVersion": "ragops.dev/v1alpha1",
        "kind": "RAGDeployment",
        "metadata": {
            "name": "demo",
            "namespace": "team",
            "uid": "uid-1",
            "generation": 3,
            "resourceVersion": "70",
            "creationTimestamp": ago(days=2, hours=4),
            "annotations": dict(annotations or {}),
        },
        "spec": {"services": services, **spec},
        "status": {"summary": {"services": f"{good}/{len(known)}"}, **seen} if observed else {},
    }


def system(services: list[dict[str, Any]], *args: Any, **fields: Any) -> System:
    """The same, read."""
    return read(stored(services, *args, **fields))


def six(**changes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The six services, with changes by name (underscores for hyphens)."""
    return [
        {"name": name, "type": kind, **changes.get(name.replace("-", "_"), {})} for name, kind in SIX.items()
    ]
