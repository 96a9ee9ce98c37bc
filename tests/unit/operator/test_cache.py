"""The watch cache: no older state over a newer one, and nothing that a list does not know any more."""

from typing import Any

import pytest

from ragops.cluster.cache import CHILD_KINDS, Key, WatchCache, key_of, prime

Json = dict[str, Any]
KEY = Key("ns", "demo")
DEPLOYMENT, SERVICE = CHILD_KINDS[0], CHILD_KINDS[2]
OWNER = {"apiVersion": "ragops.dev/v1alpha1", "kind": "RAGDeployment", "name": "demo", "uid": "rag"}


def child(version: int, uid: str = "1", name: str = "demo-api", **metadata: Any) -> Json:
    """A Deployment of the RAGDeployment `demo`."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "namespace": "ns",
            "name": name,
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"ragops.dev/rag": "demo"},
            "ownerReferences": [{**OWNER, "controller": True}],
            **metadata,
        },
    }


def rag(version: int = 1) -> Json:
    """The RAGDeployment itself."""
    metadata = {"namespace": "ns", "name": "demo", "uid": "rag", "resourceVersion": str(version)}
    return {"apiVersion": "ragops.dev/v1alpha1", "kind": "RAGDeployment", "metadata": metadata}


def pod(**metadata: Any) -> Json:
    """A pod of a child."""
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "demo-api-1", "uid": "rs"}
    obj = child(1, name="demo-api-1-x", ownerReferences=[owner], **metadata)
    return {**obj, "apiVersion": "v1", "kind": "Pod"}


def versions(cache: WatchCache) -> dict[str, str]:
    """Resource versions of the children, by name."""
    return {ref.name: obj["metadata"]["resourceVersion"] for ref, obj in cache.children(KEY, "rag").items()}


def test_the_newest_state_wins_whatever_the_order() -> None:
    cache = WatchCache()
    for version in (9, 10, 8):  # as numbers: "10" is newer than "9"
        assert cache.put(child(version)) == KEY
    assert versions(cache) == {"demo-api": "10"}


def test_an_object_made_anew_replaces_the_old_one_and_outlives_its_end() -> None:
    cache = WatchCache()
    cache.put(child(5, uid="old"))
    cache.put(child(6, uid="new"))
    cache.remove(child(7, uid="old"))
    assert versions(cache) == {"demo-api": "6"}
    cache.remove(child(8, uid="new"))
    assert versions(cache) == {}


def test_rags_and_their_children() -> None:
    cache = WatchCache()
    cache.put(child(1))
    assert list(cache.rags()) == []
    assert cache.rag(KEY) is None
    cache.put(rag())
    cache.put(pod())
    assert list(cache.rags()) == [KEY]
    assert [ref.kind for ref in cache.children(KEY, "rag")] == ["Deployment"]
    assert [obj["kind"] for obj in cache.pods(KEY)] == ["Pod"]
    assert cache.children(KEY, "another RAGDeployment of this name") == {}


@pytest.mark.parametrize(
    "labels", [None, {}, {"ragops.dev/rag": "other"}], ids=["no labels", "no label", "another label"]
)
def test_a_child_whose_label_was_edited_is_still_its_owners(labels: Json | None) -> None:
    assert key_of(child(1, labels=labels)) == KEY


def test_pods_go_by_their_label_and_strangers_are_nobodys() -> None:
    assert key_of(pod()) == KEY
    assert key_of(pod(labels={"app": "x"})) is None
    cache = WatchCache()
    assert cache.put(pod(labels={})) is None
    assert cache.remove(pod(labels={})) is None


def test_a_list_ends_what_it_does_not_have_but_nothing_newer() -> None:
    cache = WatchCache()
    for obj in (
        rag(),
        child(3, name="kept"),
        child(4, name="gone"),
        child(12, name="made after the list"),
        pod(),
    ):
        cache.put(obj)
    assert cache.replace(DEPLOYMENT, "ns", [child(5, name="kept")], listed_at=10) == {KEY}
    assert versions(cache) == {"kept": "5", "made after the list": "12"}
    assert cache.pods(KEY)
    assert cache.rag(KEY)


def test_a_list_of_one_namespace_ends_nothing_in_another() -> None:
    cache = WatchCache()
    cache.put(child(1))
    assert cache.replace(DEPLOYMENT, "other", [], listed_at=10) == set()
    assert versions(cache) == {"demo-api": "1"}
    assert cache.replace(SERVICE, None, [], listed_at=10) == set()
    assert cache.replace(DEPLOYMENT, None, [], listed_at=10) == {KEY}
    assert versions(cache) == {}


class Lists:
    """A cluster that can only list."""

    def __init__(self, *objects: Json) -> None:
        self._objects = objects
        self.asked: list[tuple[str | None, str, str | None]] = []

    async def list(
        self, api_version: str, kind: str, namespace: str | None, selector: str | None
    ) -> tuple[list[Json], str]:
        """What is there of a kind."""
        self.asked.append((namespace, kind, selector))
        wanted = (api_version, kind)
        return [obj for obj in self._objects if (obj["apiVersion"], obj["kind"]) == wanted], "10"


async def test_priming_lists_every_kind_in_every_namespace() -> None:
    cache, cluster = WatchCache(), Lists(rag(), child(1), pod())
    assert await prime(cache, cluster, ["ns", "other"]) == {KEY}  # type: ignore[arg-type]
    assert cache.rag(KEY)
    assert versions(cache) == {"demo-api": "1"}
    assert {namespace for namespace, _, _ in cluster.asked} == {"ns", "other"}
    # Foreign pods of a large cluster are never asked for.
    assert {s for _, kind, s in cluster.asked if kind == "Pod"} == {"app.kubernetes.io/managed-by=ragops"}

    everywhere = Lists(rag())
    await prime(WatchCache(), everywhere, [])  # type: ignore[arg-type]
    assert {namespace for namespace, _, _ in everywhere.asked} == {None}


def test_what_is_deleted_while_a_list_is_under_way_does_not_come_back_with_it() -> None:
    cache = WatchCache()
    cache.put(child(5))
    with cache.listing():
        cache.remove(child(5))
        cache.replace(DEPLOYMENT, None, [child(5)], 6)
    assert versions(cache) == {}
    # The next list is as good as any.
    cache.replace(DEPLOYMENT, None, [child(5)], 7)
    assert versions(cache) == {"demo-api": "5"}
