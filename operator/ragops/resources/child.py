"""Identity of children, and what every manifest shares: metadata, owner reference, content hash."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ragops.api.names import API_VERSION, FIELD_MANAGER, KIND, RAG_LABEL, common_labels
from ragops.api.rag import ObjectMeta, RAGDeployment

Manifest = dict[str, Any]

HASH_ANNOTATION: Final = "ragops.dev/manifest-hash"
"""Hash of the manifest as last applied: shows a dropped field, which a comparison of values cannot."""


@dataclass(frozen=True, order=True)
class ChildRef:
    """A child by API version, kind and name; the namespace is always the RAGDeployment's."""

    api_version: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def ref_of(manifest: Mapping[str, Any]) -> ChildRef:
    """The identity of an object in its JSON form."""
    return ChildRef(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["name"])


def manifest(
    rag: RAGDeployment,
    component: str,
    ref: ChildRef,
    annotations: Mapping[str, str] | None = None,
    **body: Any,
) -> Manifest:
    """A complete manifest: identity, labels, owner reference, annotations and `body` (spec and the like).
    `component`: name of the service that it belongs to, or GATEWAY.
    """
    result: Manifest = {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "metadata": {
            "name": ref.name,
            "namespace": rag.metadata.namespace,
            "labels": common_labels(rag.metadata.name, component),
            "ownerReferences": [owner_reference(rag.metadata)],
            "annotations": dict(annotations or {}),
        },
        **body,
    }
    digest = hashlib.sha256(json.dumps(result, sort_keys=True).encode()).hexdigest()[:16]
    result["metadata"]["annotations"][HASH_ANNOTATION] = digest
    return result


def owner_reference(owner: ObjectMeta) -> Manifest:
    """Children go with their RAGDeployment by garbage collection: no finalizer, no operator is needed."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def was_made_for(obj: Mapping[str, Any], rag_name: str) -> bool:
    """Whether ragops made the object for a RAGDeployment of this name, and nobody controls it now: its owner
    reference was removed, or it was left behind by `kubectl delete --cascade=orphan`."""
    metadata = obj.get("metadata", {})
    controlled = any(owner.get("controller") for owner in metadata.get("ownerReferences") or ())
    applied = {
        entry.get("manager")
        for entry in metadata.get("managedFields") or ()
        if entry.get("operation") == "Apply" and not entry.get("subresource")
    }
    named = (metadata.get("labels") or {}).get(RAG_LABEL) == rag_name
    return named and not controlled and FIELD_MANAGER in applied


def is_owned_by(obj: Mapping[str, Any], uid: str) -> bool:
    """Whether the object's controller is the RAGDeployment with this uid."""
    owners = obj.get("metadata", {}).get("ownerReferences") or ()
    return any(owner.get("uid") == uid and owner.get("controller") for owner in owners)
