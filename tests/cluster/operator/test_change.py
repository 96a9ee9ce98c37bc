"""Changes of a RAGDeployment that runs: rejected ones, replicas, services added and removed."""

import pytest

from .audit import Audit
from .conftest import user
from .eventually import eventually
from .space import CHILDREN, Object, Space, services

pytestmark = pytest.mark.usefixtures("operator")

CYCLE = services(
    "embeddings",
    "generation",
    embeddings={"dependsOn": [{"name": "generation"}]},
    generation={"dependsOn": [{"name": "embeddings"}]},
)


@pytest.mark.parametrize(
    ("changed", "reason", "named"),
    [
        (
            {"services": services("embeddings", "generation", embeddings={"embeddings": {"cache": {}}})},
            "NotImplemented",
            "spec.services[embeddings].embeddings.cache",
        ),
        ({"services": CYCLE}, "Invalid", "spec.services[embeddings].dependsOn"),
    ],
    ids=["not implemented", "cycle"],
)
def test_a_rejected_change_leaves_all_as_it_is(
    space: Space, audit: Audit, changed: Object, reason: str, named: str
) -> None:
    good = services("embeddings", "generation")
    space.apply_rag(good)
    space.await_ready()
    kinds = (*CHILDREN, "Pod")
    before = _versions(space)
    mark = audit.mark()

    space.apply_rag(**{**changed, "services": [{**s, "image": "test/new:1"} for s in changed["services"]]})
    eventually(lambda: space.condition("Accepted").get("status") == "False", "the change is rejected")
    accepted = space.condition("Accepted")
    assert accepted["reason"] == reason
    assert named in accepted["message"]
    # A pass over the rejected spec that has something else to see: no child of it is touched.
    space.patch("Service", "demo-generation", {"metadata": {"annotations": {"marker": "1"}}})
    space.set_ready("generation")
    assert {w.resource for w in audit.writes(user(space), mark)} <= {"ragdeployments/status", "events"}
    assert _versions(space, but="demo-generation") == {k: v for k, v in before.items() if _other(k)}
    assert space.identities(kinds).keys() == before.keys()

    space.apply_rag([{**s, "image": "test/good:2"} for s in good])
    eventually(lambda: space.condition("Accepted").get("status") == "True", "the mended change is accepted")
    eventually(lambda: "test/good:2" in _images(space), "the mended change is carried out")
    space.await_ready()


def test_replicas_are_handed_over_to_autoscaling(space: Space) -> None:
    """Dropping spec.replicas from an applied manifest resets it to 1, unless somebody else owns it."""
    space.apply_rag(services("generation", generation={"replicas": 3}))
    space.await_ready()
    seen = _Replicas(space)
    auto = {"minReplicas": 1, "maxReplicas": 5, "sampleSeconds": 1}
    space.apply_rag(services("generation", generation={"autoscaling": auto}))
    eventually(lambda: space.service("generation").get("scaling"), "the scaler has decided")
    assert seen.owners() == {"ragops-scaler"}

    # Other changes leave them alone, while they are scaled.
    space.apply_rag(services("generation", generation={"autoscaling": auto, "image": "test/services:2"}))
    eventually(lambda: "test/services:2" in _images(space), "the new image is applied")
    space.await_ready()
    assert seen.owners() == {"ragops-scaler"}
    assert seen.all() == {3}

    # And back: the number in the manifest counts again.
    space.apply_rag(services("generation", generation={"replicas": 2}))
    eventually(lambda: space.replicas("generation") == 2, "the given number is in force")
    assert seen.owners() == {"ragops"}


@pytest.mark.parametrize("autoscaling", [None, {"mode": "External"}], ids=["left out", "external"])
def test_replicas_are_handed_over_to_nobody(space: Space, autoscaling: Object | None) -> None:
    space.apply_rag(services("generation", generation={"replicas": 3}))
    space.await_ready()
    seen = _Replicas(space)
    given = {"autoscaling": autoscaling} if autoscaling else {}
    space.apply_rag(services("generation", generation=given))
    eventually(lambda: seen.owners() == {"ragops-scaler"}, "the manifest owns the replicas no more")
    space.await_ready()
    assert seen.all() == {3}
    # An HPA takes over by writing.
    space.patch("Deployment", "demo-generation", {"spec": {"replicas": 6}}, "scale", by="hpa")
    eventually(lambda: space.service("generation").get("readyReplicas") == 6, "6 pods are ready")
    assert space.replicas("generation") == 6


def test_bounds_of_autoscaling_are_kept(space: Space) -> None:
    """A person's number counts within the bounds; outside of them it is brought back."""
    auto = {"minReplicas": 2, "maxReplicas": 4, "cooldownSeconds": 0}
    space.apply_rag(services("generation", generation={"autoscaling": auto}))
    eventually(lambda: space.replicas("generation") == 2, "minReplicas")
    space.await_ready()
    scaling = space.service("generation")["scaling"]
    assert scaling["desired"] == 2
    assert scaling["lastScaleTime"]

    space.patch("Deployment", "demo-generation", {"spec": {"replicas": 9}}, "scale", by="person")
    eventually(lambda: space.replicas("generation") == 4, "maxReplicas")
    space.patch("Deployment", "demo-generation", {"spec": {"replicas": 3}}, "scale", by="person")
    eventually(
        lambda: space.service("generation").get("scaling", {}).get("desired") == 3, "the number is taken in"
    )
    assert space.replicas("generation") == 3


def test_services_are_added_removed_and_renamed(space: Space) -> None:
    space.apply_rag(services("vector-store", "embeddings"))
    space.await_ready()
    kept = {
        k: v
        for k, v in space.identities().items()
        if k[1].startswith(("demo-vector-store", "demo-embeddings"))
    }

    space.apply_rag(services("vector-store", "embeddings", "retrieval", retrieval={"image": "test/held:1"}))
    space.await_state("retrieval", "Starting")
    space.set_ready("retrieval")
    space.await_ready()
    assert space.get("RAGDeployment", "demo")["status"]["summary"]["services"] == "3/3"

    renamed = {"name": "search", "type": "Retrieval"}
    space.apply_rag([*services("vector-store", "embeddings"), renamed])
    eventually(lambda: not _named(space, "demo-retrieval"), "what belongs to the old name is gone")
    space.await_ready()
    assert space.state("search") == "Ready"
    assert space.service("retrieval") == {}
    assert _named(space, "demo-search") == {"Deployment", "Service", "PodDisruptionBudget"}

    space.apply_rag(services("vector-store", "embeddings"))
    eventually(lambda: not _named(space, "demo-search"), "what was removed is gone")
    space.await_ready()
    assert space.identities() == kept, "the others were not touched"


def test_a_removed_vector_store_leaves_its_volume(space: Space) -> None:
    space.apply_rag(services("vector-store", "generation"))
    space.await_ready()
    claim = space.get("PersistentVolumeClaim", "data-demo-vector-store-0")["metadata"]["uid"]
    space.apply_rag(services("generation"))
    eventually(lambda: space.workload("vector-store") is None, "the StatefulSet is gone")
    eventually(lambda: not space.pods("vector-store"), "its pod is gone")
    space.apply_rag(services("vector-store", "generation"))
    space.await_ready()
    assert space.get("PersistentVolumeClaim", "data-demo-vector-store-0")["metadata"]["uid"] == claim


def test_a_removed_vector_store_takes_its_volume_along_where_told_so(space: Space) -> None:
    given = {"storage": {"reclaim": "Delete"}}
    space.apply_rag(services("vector-store", "generation", vector_store=given))
    space.await_ready()
    assert space.find("PersistentVolumeClaim", "data-demo-vector-store-0")
    space.apply_rag(services("generation"))
    eventually(lambda: space.workload("vector-store") is None, "the StatefulSet is gone")
    eventually(
        lambda: space.find("PersistentVolumeClaim", "data-demo-vector-store-0") is None, "the claim is gone"
    )


def test_a_service_is_disabled_and_enabled(space: Space) -> None:
    """By replicas: its address, its volume and what depends on it stay."""
    space.apply_rag(services("vector-store", "embeddings", "generation"))
    space.await_ready()
    before = space.identities()
    claim = space.get("PersistentVolumeClaim", "data-demo-vector-store-0")["metadata"]["uid"]
    off = {"replicas": 0}
    space.apply_rag(services("vector-store", "embeddings", "generation", generation=off, vector_store=off))
    eventually(lambda: not space.pods("generation") and not space.pods("vector-store"), "no pod is left")
    space.await_ready()
    assert space.service("generation")["health"]["state"] == "Healthy", "it does what it was told"
    assert space.identities().keys() == before.keys()
    assert space.identities()["Deployment", "demo-embeddings"] == before["Deployment", "demo-embeddings"]

    space.apply_rag(services("vector-store", "embeddings", "generation", vector_store={"replicas": 1}))
    eventually(lambda: space.pods("vector-store"), "the vector store is back")
    space.patch("Deployment", "demo-generation", {"spec": {"replicas": 1}}, "scale")
    eventually(lambda: space.pods("generation"), "the other one is back")
    space.await_ready()
    assert space.get("PersistentVolumeClaim", "data-demo-vector-store-0")["metadata"]["uid"] == claim


def test_paused_leaves_children_alone_and_goes_on_telling(space: Space, audit: Audit) -> None:
    space.apply_rag(services("generation", "retrieval", retrieval={"dependsOn": []}))
    space.await_ready()
    space.apply_rag(services("generation", generation={"image": "test/new:1"}), paused=True)
    eventually(lambda: space.condition("Progressing").get("reason") == "Paused", "it is told")
    mark = audit.mark()
    space.delete("PodDisruptionBudget", "demo-generation")
    space.set_ready("generation", ready=False)
    eventually(lambda: space.service("generation")["health"]["state"] == "Unhealthy", "status goes on")
    assert {w.resource for w in audit.writes(user(space), mark)} <= {"ragdeployments/status", "events"}
    assert space.workload("retrieval") is not None

    space.apply_rag(services("generation", generation={"image": "test/new:1"}), paused=False)
    eventually(lambda: space.workload("retrieval") is None, "the removed service goes")
    space.await_ready()
    assert "test/new:1" in _images(space)
    assert space.find("PodDisruptionBudget", "demo-generation")


class _Replicas:
    """spec.replicas of the Deployment demo-generation over time."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._since = self._deployment()["metadata"]["resourceVersion"]

    def owners(self) -> set[str]:
        """Who owns the field now."""
        return {
            entry["manager"]
            for entry in self._deployment()["metadata"]["managedFields"]
            if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
        }

    def all(self) -> set[int]:
        """All values since the beginning, by a watch of what has been: none is missed between two looks."""
        path = f"/apis/apps/v1/namespaces/{self._space.namespace}/deployments"
        parameters = {"watch": "true", "resourceVersion": self._since, "timeoutSeconds": "1"}
        events = self._space.watch(path, parameters)
        return {event["object"]["spec"]["replicas"] for event in events}

    def _deployment(self) -> Object:
        return self._space.get("Deployment", "demo-generation")


def _versions(space: Space, but: str = "") -> dict[tuple[str, str], str]:
    return {
        key: obj["metadata"]["resourceVersion"]
        for key, obj in space.children((*CHILDREN, "Pod")).items()
        if not but or _other(key)
    }


def _other(key: tuple[str, str]) -> bool:
    """Not one of those that the test itself has changed."""
    return not key[1].startswith("demo-generation")


def _named(space: Space, name: str) -> set[str]:
    return {kind for kind, found in space.children() if found == name}


def _images(space: Space) -> set[str]:
    return {
        container["image"]
        for obj in space.all_of("Deployment")
        for container in obj["spec"]["template"]["spec"]["containers"]
    }
