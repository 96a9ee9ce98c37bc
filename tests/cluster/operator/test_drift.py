"""What people and other tools do to children: ours is restored, theirs is kept."""

import pytest

from .audit import Audit
from .conftest import user
from .eventually import eventually, throughout
from .space import PERSON, Object, Refused, Space, services

pytestmark = pytest.mark.usefixtures("operator")

RESTORED_SECONDS = 5.0


def test_deleted_children_come_back(space: Space) -> None:
    space.apply_rag(services())
    space.await_ready()
    before = space.children()
    for kind, name in (
        ("Deployment", "demo-retrieval"),
        ("Service", "demo-api"),
        ("Service", "demo-vector-store-headless"),
        ("PodDisruptionBudget", "demo-embeddings"),
        ("StatefulSet", "demo-vector-store"),
    ):
        uid = before[kind, name]["metadata"]["uid"]
        space.delete(kind, name)
        eventually(
            lambda kind=kind, name=name, uid=uid: _uid(space.find(kind, name)) not in (None, uid),
            f"{kind} {name} is back",
            RESTORED_SECONDS,
        )
    space.await_ready()
    assert space.children().keys() == before.keys()


def test_edited_fields_are_restored(space: Space) -> None:
    space.apply_rag(services("generation", generation={"replicas": 2}))
    space.await_ready()

    def main(**fields: object) -> Object:
        return {"spec": {"template": {"spec": {"containers": [{"name": "main", **fields}]}}}}

    def container() -> Object:
        found: Object = space.get("Deployment", "demo-generation")["spec"]["template"]["spec"]["containers"][
            0
        ]
        return found

    wanted = container()
    edits = {
        "the image": main(image="evil:1"),
        "an argument": main(args=["generation", "--debug"]),
        "a variable": main(env=[{"name": "RAGOPS_SERVICE", "value": "other"}]),
        "a removed variable": main(env=[{"name": "RAGOPS_SERVICE", "$patch": "delete"}]),
        "a probe's period": main(readinessProbe={"periodSeconds": 77}),
        "another kind of probe": main(readinessProbe={"httpGet": None, "exec": {"command": ["true"]}}),
        "root": main(securityContext={"readOnlyRootFilesystem": False}),
        "resources": main(resources={"requests": {"memory": "1Mi"}}),
    }
    for what, patch in edits.items():
        space.strategic_patch("Deployment", "demo-generation", patch)
        eventually(lambda: container() == wanted, f"{what} is restored", RESTORED_SECONDS)

    space.patch("Deployment", "demo-generation", {"spec": {"replicas": 5}}, "scale")
    eventually(lambda: space.replicas("generation") == 2, "replicas are restored", RESTORED_SECONDS)


def test_edited_addresses_are_restored(space: Space) -> None:
    space.apply_rag(services("generation"))
    space.await_ready()
    wanted = {kind: space.get(kind, "demo-generation") for kind in ("Service", "PodDisruptionBudget")}
    edits: dict[str, tuple[str, Object]] = {
        "a port": ("Service", {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": "http"}]}}),
        "a further label in the selector": ("Service", {"spec": {"selector": {"tier": "web"}}}),
        "a label": ("Service", {"metadata": {"labels": {"ragops.dev/service": "other"}}}),
        "the label of our watch": ("Service", {"metadata": {"labels": {MANAGED_BY: "Helm"}}}),
        "the label of the owner": ("Service", {"metadata": {"labels": {"ragops.dev/rag": None}}}),
        "the budget": ("PodDisruptionBudget", {"spec": {"maxUnavailable": 0}}),
        "the budget's selector": (
            "PodDisruptionBudget",
            {"spec": {"selector": {"matchLabels": {"tier": "web"}}}},
        ),
    }
    for what, (kind, patch) in edits.items():
        space.patch(kind, "demo-generation", patch)

        def restored(kind: str = kind) -> bool:
            live = space.get(kind, "demo-generation")
            same_labels = live["metadata"]["labels"] == wanted[kind]["metadata"]["labels"]
            return same_labels and live["spec"] == wanted[kind]["spec"]

        eventually(restored, f"{what} is restored", RESTORED_SECONDS)


def test_fields_of_others_are_kept(space: Space, audit: Audit) -> None:
    space.apply_rag(services("generation"))
    space.await_ready()
    sidecar = {"name": "a-mesh-proxy", "image": "mesh:1", "env": [{"name": "X", "value": "1"}]}
    mount = {"name": "tmp", "mountPath": "/mesh", "subPath": "mesh"}
    space.apply(
        "Deployment",
        "demo-generation",
        by="mesh",
        metadata={"labels": {"mesh": "on"}, "annotations": {"mesh/injected": "true"}},
        spec={
            "template": {
                "metadata": {"annotations": {"mesh/injected": "true"}},
                "spec": {"containers": [sidecar, {"name": "main", "volumeMounts": [mount]}]},
            }
        },
    )
    space.patch("Service", "demo-generation", {"metadata": {"annotations": {"cloud/balancer": "x"}}})
    # Something of ours changes too, so that the manifest is applied over theirs.
    space.apply_rag(services("generation", generation={"image": "test/services:2"}))
    eventually(lambda: _image(space) == "test/services:2", "the new image is applied")
    space.await_ready()

    mark = audit.mark()
    throughout(lambda: not audit.writes(user(space), mark), "nothing is fought over", 2)
    live = space.get("Deployment", "demo-generation")
    template = live["spec"]["template"]
    assert live["metadata"]["labels"]["mesh"] == "on"
    assert live["metadata"]["annotations"]["mesh/injected"] == "true"
    assert template["metadata"]["annotations"] == {"mesh/injected": "true"}
    assert {c["name"] for c in template["spec"]["containers"]} == {"a-mesh-proxy", "main"}
    mounts = next(c for c in template["spec"]["containers"] if c["name"] == "main")["volumeMounts"]
    assert mount in mounts
    annotations = space.get("Service", "demo-generation")["metadata"]["annotations"]
    assert annotations["cloud/balancer"] == "x"


def test_replicas_of_a_person_or_an_hpa_are_kept(space: Space) -> None:
    """Where neither replicas nor autoscaling is given, /scale is theirs, whatever else changes."""
    space.apply_rag(services("generation"))
    space.await_ready()
    space.patch("Deployment", "demo-generation", {"spec": {"replicas": 4}}, "scale", by="hpa")
    eventually(lambda: space.service("generation").get("readyReplicas") == 4, "4 pods are ready")

    space.apply_rag(services("generation", generation={"image": "test/services:2"}))
    eventually(lambda: _image(space) == "test/services:2", "the new image is applied")
    space.await_ready()
    assert space.replicas("generation") == 4
    space.delete("Deployment", "demo-generation")
    eventually(lambda: _uid(space.find("Deployment", "demo-generation")), "the Deployment is back")


def test_a_foreign_object_is_not_taken_over(space: Space) -> None:
    port = {"name": "http", "port": 80}
    space.create("Service", "demo-generation", spec={"selector": {"app": "other"}, "ports": [port]})
    foreign = space.get("Service", "demo-generation")
    space.apply_rag(services("generation", "retrieval", retrieval={"dependsOn": [], "image": "test/slow:1"}))
    status = eventually(
        lambda: (s := space.service("generation")).get("startup", {}).get("reason") and s, "a reason is given"
    )
    assert status["startup"]["reason"] == "NameTaken"
    assert "Service demo-generation exists" in status["startup"]["message"]
    assert "delete or rename it" in status["startup"]["message"]
    # The others go on, and nothing of the foreign object is touched.
    space.await_state("retrieval", "Ready", timeout=10)
    assert space.get("Service", "demo-generation") == foreign
    assert space.workload("generation") is None

    space.delete("Service", "demo-generation")
    space.await_ready()
    assert "reason" not in space.service("generation")["startup"]


def test_two_systems_with_a_child_of_the_same_name(space: Space) -> None:
    """`a` + `b-api` and `a-b` + `api` make the same name: the second one is told, the first one is safe."""
    service = {"type": "Generation"}
    space.apply_rag([{"name": "b-api", **service}], name="a")
    space.await_ready("a")
    before = space.identities()
    space.apply_rag([{"name": "api", **service}], name="a-b")
    eventually(
        lambda: space.service("api", "a-b").get("startup", {}).get("reason") == "NameTaken", "it is told"
    )
    assert space.identities() == before
    assert space.state("b-api", "a") == "Ready"


def test_a_system_made_again_under_its_name_comes_up(space: Space) -> None:
    space.apply_rag(services("vector-store", "generation"))
    space.await_ready()
    old = {obj["metadata"]["uid"] for obj in space.children().values()}
    space.delete("RAGDeployment", "demo")
    eventually(lambda: _apply_again(space), "the name is free")
    space.await_ready()
    eventually(
        lambda: old.isdisjoint(obj["metadata"]["uid"] for obj in space.children().values()),
        "all children are new",
    )
    space.await_ready()
    assert PERSON not in _managers(space.get("Deployment", "demo-generation"))


MANAGED_BY = "app.kubernetes.io/managed-by"


def _apply_again(space: Space) -> bool:
    try:
        obj = space.apply_rag(services("vector-store", "generation"))
    except Refused:
        return False
    return "deletionTimestamp" not in obj["metadata"]


def _uid(obj: Object | None) -> str | None:
    return obj["metadata"]["uid"] if obj and "deletionTimestamp" not in obj["metadata"] else None


def _image(space: Space) -> str:
    containers = space.get("Deployment", "demo-generation")["spec"]["template"]["spec"]["containers"]
    image: str = next(c for c in containers if c["name"] == "main")["image"]
    return image


def _managers(obj: Object) -> set[str]:
    return {entry["manager"] for entry in obj["metadata"]["managedFields"]}
