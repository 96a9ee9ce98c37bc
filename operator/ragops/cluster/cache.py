"""The watch cache: the last seen state of RAGDeployments, their children and their pods.

Fed by watch events, by the answers to our own writes (so that a pass never acts on a state older than its
last write), and by a full list at the start and from time to time: a missed event costs latency, no more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from ragops.api.names import API_VERSION, KIND, MANAGED_SELECTOR, RAG_LABEL
from ragops.cluster.protocol import Cluster
from ragops.orchestration.owners import ForeignScaler, foreign_scaler
from ragops.resources.child import ChildRef, Manifest, is_owned_by, ref_of

Object = Mapping[str, Any]


class Key(NamedTuple):
    """A RAGDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class Kind(NamedTuple):
    """A watched kind, with the label selector that keeps foreign objects out."""

    api_version: str
    kind: str
    selector: str | None


RAG_KIND: Final = Kind(API_VERSION, KIND, None)
POD_KIND: Final = Kind("v1", "Pod", MANAGED_SELECTOR)
CHILD_KINDS: Final = (
    Kind("apps/v1", "Deployment", MANAGED_SELECTOR),
    Kind("apps/v1", "StatefulSet", MANAGED_SELECTOR),
    Kind("v1", "Service", MANAGED_SELECTOR),
    Kind("policy/v1", "PodDisruptionBudget", MANAGED_SELECTOR),
    Kind("v1", "ConfigMap", MANAGED_SELECTOR),
)
SCALER_KIND: Final = Kind("autoscaling/v2", "HorizontalPodAutoscaler", None)
"""Autoscalers of others. They have no label of ours: the target tells whom they concern."""
WATCHED: Final = (RAG_KIND, *CHILD_KINDS, POD_KIND, SCALER_KIND)


def key_of(obj: Object) -> Key | None:
    """The RAGDeployment that an object is or belongs to; None for a stranger.

    An HPA is kept under its namespace and no name: it belongs to no RAGDeployment, and may concern any.
    """
    metadata = obj["metadata"]
    if obj["kind"] == KIND:
        return Key(metadata["namespace"], metadata["name"])
    if obj["kind"] == SCALER_KIND.kind:
        return _scalers_key(metadata["namespace"])
    owners = metadata.get("ownerReferences") or ()
    # Pods have other owners; a child whose label was edited is still its owner's.
    owner = next((o["name"] for o in owners if (o["apiVersion"], o["kind"]) == (API_VERSION, KIND)), None)
    name = owner or (metadata.get("labels") or {}).get(RAG_LABEL)
    return Key(metadata["namespace"], name) if name else None


class WatchCache:
    """Objects by RAGDeployment."""

    def __init__(self) -> None:
        self._objects: dict[Key, dict[ChildRef, Object]] = {}
        self._gone: set[str] | None = None
        """Objects that were deleted while a list is under way, by uid: the list may still have them."""

    def rags(self) -> Iterator[Key]:
        """All RAGDeployments."""
        return iter([key for key, objects in self._objects.items() if _rag_ref(key) in objects])

    def rag(self, key: Key) -> Object | None:
        """The RAGDeployment itself."""
        return self._objects.get(key, {}).get(_rag_ref(key))

    def children(self, key: Key, uid: str) -> dict[ChildRef, Manifest]:
        """The children that the RAGDeployment with this uid controls."""
        return {
            ref: dict(obj)
            for ref, obj in self._objects.get(key, {}).items()
            if ref.kind not in (KIND, POD_KIND.kind) and is_owned_by(obj, uid)
        }

    def pods(self, key: Key) -> Sequence[Object]:
        """The pods of all its services."""
        return [obj for ref, obj in self._objects.get(key, {}).items() if ref.kind == POD_KIND.kind]

    def scalers(self, namespace: str) -> tuple[ForeignScaler, ...]:
        """The HPAs of a namespace, in a fixed order."""
        return tuple(sorted(map(foreign_scaler, self._objects.get(_scalers_key(namespace), {}).values())))

    @contextmanager
    def listing(self) -> Iterator[None]:
        """Around requests for lists that are taken in by `replace`."""
        self._gone = set()
        try:
            yield
        finally:
            self._gone = None

    def put(self, obj: Object) -> Key | None:
        """Takes in an object, unless a newer state of it is known. Returns whom it concerns."""
        key = key_of(obj)
        if key is None:
            return None
        objects = self._objects.setdefault(key, {})
        known = objects.get(ref_of(obj))
        if known is None or not _same(known, obj) or version(obj) >= version(known):
            objects[ref_of(obj)] = _needed(obj)
        return key

    def remove(self, obj: Object) -> Key | None:
        """Forgets an object, unless another one has been made in its place. Returns whom it concerns."""
        key = key_of(obj)
        known = self._objects.get(key, {}).get(ref_of(obj)) if key else None
        if key and known is not None and _same(known, obj):
            self._drop(key, ref_of(obj))
        if self._gone is not None:
            self._gone.add(obj["metadata"].get("uid", ""))
        return key

    def replace(self, kind: Kind, namespace: str | None, items: Iterable[Object], listed_at: int) -> set[Key]:
        """Takes in a full list of one kind; what is not in it any more is forgotten.

        Objects newer than the list stay. Returns whom the changes concern.
        """
        gone = self._gone or ()
        items = [obj for obj in items if obj["metadata"].get("uid", "") not in gone]
        listed = {(key_of(obj), ref_of(obj)) for obj in items}
        concerned = {key for obj in items if (key := self.put(obj))}
        for key, ref, obj in list(self._all()):
            if (ref.api_version, ref.kind) != kind[:2] or (namespace and key.namespace != namespace):
                continue
            if (key, ref) not in listed and version(obj) <= listed_at:
                self._drop(key, ref)
                concerned.add(key)
        return concerned

    def _all(self) -> Iterator[tuple[Key, ChildRef, Object]]:
        for key, objects in self._objects.items():
            for ref, obj in objects.items():
                yield key, ref, obj

    def _drop(self, key: Key, ref: ChildRef) -> None:
        objects = self._objects.get(key, {})
        objects.pop(ref, None)
        if not objects:
            self._objects.pop(key, None)


async def prime(cache: WatchCache, cluster: Cluster, namespaces: Sequence[str]) -> set[Key]:
    """Lists everything watched, in all `namespaces` (empty: cluster-wide). Returns whom it concerns."""
    concerned: set[Key] = set()
    with cache.listing():
        for namespace in namespaces or (None,):
            for kind in WATCHED:
                items, listed_at = await cluster.list(kind.api_version, kind.kind, namespace, kind.selector)
                concerned |= cache.replace(kind, namespace, items, int(listed_at))
    return {key for key in concerned if key.name}


def version(obj: Object) -> int:
    """The resource version, which Kubernetes lets clients compare as a number (KEP-5504)."""
    return int(obj["metadata"].get("resourceVersion", 0))


def _rag_ref(key: Key) -> ChildRef:
    return ChildRef(API_VERSION, KIND, key.name)


def _scalers_key(namespace: str) -> Key:
    return Key(namespace, "")


def _needed(obj: Object) -> Object:
    """What is kept of an object. HPAs are not ours, and large: their identity and their target are enough."""
    if obj["kind"] != SCALER_KIND.kind:
        return obj
    metadata = {
        field: obj["metadata"][field]
        for field in ("namespace", "name", "uid", "resourceVersion", "ownerReferences")
        if field in obj["metadata"]
    }
    target = obj["spec"]["scaleTargetRef"]
    identity = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": metadata}
    return {**identity, "spec": {"scaleTargetRef": target}}


def _same(one: Object, other: Object) -> bool:
    return bool(one["metadata"].get("uid") == other["metadata"].get("uid"))
