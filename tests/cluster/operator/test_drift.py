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
        "a command": main(command=["sleep", "infinity"]),
        "a capability": main(securityContext={"capabilities": {"add": ["NET_ADMIN"]}}),
    }
    for what, patch in edits.items():
        space.strategic_patch("Deployment", "demo-generation", patch)
        eventually(lambda: container() == wanted, f"{what} is restored", RESTORED_SECONDS)

    whole = space.get("Deployment", "demo-generation")["spec"]
    for what, spec in {
        "the host's network": {"template": {"spec": {"hostNetwork": True}}},
        "a pause": {"paused": True},
        "another strategy": {"strategy": {"type": "Recreate", "rollingUpdate": None}},
        "a label of the pods": {"template": {"metadata": {"labels": {"app.kubernetes.io/part-of": "x"}}}},
    }.items():
        space.patch("Deployment", "demo-generation", {"spec": spec})

        def restored() -> bool:
            return space.get("Deployment", "demo-generation")["spec"] == whole

        eventually(restored, f"{what}: restored", RESTORED_SECONDS)

    space.patch("Deployment", "demo-generation", {"spec": {"replicas": 5}}, "scale")
    eventually(lambda: space.replicas("generation") == 2, "replicas are restored", RESTORED_SECONDS)


def test_edited_addresses_are_restored(space: Space) -> None:
    space.apply_rag(services("generation"))
    space.await_ready()
    wanted = {kind: space.get(kind, "demo-generation") for kind in ("Service", "PodDisruptionBudget")}
    edits: dict[str, tuple[str, Object]] = {
        "a port": ("Service", {"spec": {"ports": [{"name": "http", "port": 81, "targetPort": "http"}]}}),
        "another type": ("Service", {"spec": {"type": "NodePort"}}),
        "an address outside": ("Service", {"spec": {"externalIPs": ["192.0.2.7"]}}),
        "affinity": ("Service", {"spec": {"sessionAffinity": "ClientIP"}}),
        "unready pods": ("Service", {"spec": {"publishNotReadyAddresses": True}}),
        "the owner": ("Service", {"metadata": {"ownerReferences": None}}),
        "the owner of the budget": ("PodDisruptionBudget", {"metadata": {"ownerReferences": None}}),
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
            same = all(
                live["metadata"].get(part) == wanted[kind]["metadata"][part]
                for part in ("labels", "ownerReferences")
            )
            return same and live["spec"] == wanted[kind]["spec"]

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
    for kind in ("Deployment", "Service"):
        space.patch(kind, "demo-generation", {"metadata": {"finalizers": ["backup.example.com/hold"]}})
    space.apply_rag(services("generation", generation={"image": "test/services:2"}))
    eventually(lambda: _image(space) == "test/services:2", "the new image is applied")
    space.await_ready()

    mark = audit.mark()
    throughout(lambda: not audit.writes(user(space), mark), "nothing is fought over", 2)
    live = space.get("Deployment", "demo-generation")
    template = live["spec"]["template"]
    assert live["metadata"]["labels"]["mesh"] == "on"
    for kind in ("Deployment", "Service"):
        assert space.get(kind, "demo-generation")["metadata"]["finalizers"] == ["backup.example.com/hold"]
        space.patch(kind, "demo-generation", {"metadata": {"finalizers": None}})
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
    eventually(lambda: "NameTaken" in space.condition("Ready").get("message", ""), "a condition tells")
    notes = [e["note"] for e in space.all_of("Event") if e["reason"] == "StartTroubled"]
    assert any("NameTaken: Service demo-generation exists" in note for note in notes)
    # The others go on, and nothing of the foreign object is touched.
    space.await_state("retrieval", "Ready", timeout=10)
    assert space.get("Service", "demo-generation") == foreign
    assert space.workload("generation") is None

    space.delete("Service", "demo-generation")
    space.await_ready()
    assert "reason" not in space.service("generation")["startup"]


def test_a_name_that_is_taken_while_the_service_runs(space: Space) -> None:
    """It goes on with its pods; a condition and an Event tell."""
    space.apply_rag(services("generation"))
    space.await_ready()
    foreign = {"selector": {"app": "other"}, "ports": [{"name": "http", "port": 80}]}
    # A finalizer, so that the name is not free before it is taken: ragops would be faster than any person.
    space.patch("Service", "demo-generation", {"metadata": {"finalizers": ["example.com/hold"]}})
    space.delete("Service", "demo-generation")
    space.apply_rag(services("generation"), paused=True)
    eventually(lambda: space.condition("Progressing").get("reason") == "Paused", "ragops looks on")
    space.patch("Service", "demo-generation", {"metadata": {"finalizers": None}})
    eventually(lambda: space.find("Service", "demo-generation") is None, "it is gone")
    taken = space.create("Service", "demo-generation", spec=foreign)
    space.apply_rag(services("generation"), paused=False)

    degraded = eventually(
        lambda: (c := space.condition("Degraded")).get("status") == "True" and c, "it is told", 10
    )
    assert degraded["reason"] == "ChangesRefused"
    assert "NameTaken: Service demo-generation exists" in degraded["message"]
    assert space.state("generation") == "Ready"
    eventually(lambda: "ChangeRefused" in {e["reason"] for e in space.all_of("Event")}, "an Event tells")
    live = space.get("Service", "demo-generation")
    assert (live["metadata"]["uid"], live["spec"]) == (taken["metadata"]["uid"], taken["spec"])

    space.delete("Service", "demo-generation")
    eventually(lambda: space.condition("Degraded").get("status") == "False", "it is over", 90)
    assert space.get("Service", "demo-generation")["metadata"]["ownerReferences"]


def test_an_upgrade_that_makes_the_same_pods_replaces_none(space: Space, audit: Audit) -> None:
    """Another version of the operator, or of a builder: another manifest, the same pods."""
    space.apply_rag(services("vector-store", "generation"))
    space.await_ready()
    pods = {obj["metadata"]["uid"] for obj in space.all_of("Pod")}
    workloads = [("Deployment", "demo-generation"), ("StatefulSet", "demo-vector-store")]
    wanted = {ref: _manifest_hash(space, *ref) for ref in workloads}
    mark = audit.mark()
    for kind, name in workloads:
        # As if it had been applied by an operator whose manifest had other fields beside the pods.
        space.patch(kind, name, {"metadata": {"annotations": {MANIFEST_HASH: "of-before"}}})
        ref = (kind, name)
        eventually(lambda ref=ref: _manifest_hash(space, *ref) == wanted[ref], f"{name} is applied")
    space.await_ready()
    told = ("events", "ragdeployments/status")
    applied = {(w.resource, w.name) for w in audit.writes(user(space), mark) if w.resource not in told}
    assert applied == {("deployments", "demo-generation"), ("statefulsets", "demo-vector-store")}
    assert {obj["metadata"]["uid"] for obj in space.all_of("Pod")} == pods
    assert len(space.all_of("ReplicaSet")) == 1
    assert len(space.all_of("ControllerRevision")) == 1


def test_what_was_left_behind_by_a_deletion_is_adopted(space: Space) -> None:
    space.apply_rag(services("generation"))
    space.await_ready()
    before = space.identities()
    path = f"/apis/ragops.dev/v1alpha1/namespaces/{space.namespace}/ragdeployments/demo"
    space.client.delete(path, params={"propagationPolicy": "Orphan"}).raise_for_status()
    eventually(lambda: _apply_again(space, "generation"), "the name is free")
    space.await_ready()
    uid = space.get("RAGDeployment", "demo")["metadata"]["uid"]
    eventually(lambda: {_owner(obj) for obj in space.children().values()} == {uid}, "all are adopted", 10)
    assert {key: found[0] for key, found in space.identities().items()} == {
        key: found[0] for key, found in before.items()
    }


def test_a_missing_password_comes_back_when_a_pod_needs_it(space: Space) -> None:
    """ragops may create Secrets and not read them: the pod that does not start is what tells."""
    space.apply_rag(services("vector-store"))
    space.await_ready()
    name = "demo-vector-store-credentials"
    space.delete("Secret", name)
    waiting = {"reason": "CreateContainerConfigError", "message": f'secret "{name}" not found'}
    starved = {"name": "main", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    status = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "containerStatuses": [{**starved, "state": {"waiting": waiting}}],
    }
    space.patch("Pod", "demo-vector-store-0", {"status": status}, "status", by="kubelet")
    eventually(lambda: space.find("Secret", name), "the Secret is back", RESTORED_SECONDS)


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
    eventually(lambda: _apply_again(space, "vector-store", "generation"), "the name is free")
    space.await_ready()
    eventually(
        lambda: old.isdisjoint(obj["metadata"]["uid"] for obj in space.children().values()),
        "all children are new",
    )
    space.await_ready()
    assert PERSON not in _managers(space.get("Deployment", "demo-generation"))


MANAGED_BY = "app.kubernetes.io/managed-by"
MANIFEST_HASH = "ragops.dev/manifest-hash"


def _manifest_hash(space: Space, kind: str, name: str) -> str:
    found: str = space.get(kind, name)["metadata"]["annotations"][MANIFEST_HASH]
    return found


def _owner(obj: Object) -> str | None:
    return next((o["uid"] for o in obj["metadata"].get("ownerReferences") or ()), None)


def _apply_again(space: Space, *names: str) -> bool:
    try:
        obj = space.apply_rag(services(*names))
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
