"""Updates along the dependencies, RollingUpdate, versions in status, and what is no version."""

from typing import Any

import pytest
from tests.unit.operator.rollout_world import RolloutWorld, generation
from tests.unit.operator.world import IMAGES, rag_of, six

from ragops.api.names import REVISION_ANNOTATION
from ragops.api.status import RAGStatus, RolloutPhase, RolloutStatus, VersionStatus
from ragops.orchestration.observation import workload_view
from ragops.orchestration.versions import at_version, reread, version_of
from ragops.resources.pod import Images
from ragops.telemetry.events import transitions


def chain(**images: str) -> list[dict[str, Any]]:
    """api needs retrieval needs embeddings; generation stands alone."""
    needs: dict[str, list[str]] = {
        "embeddings": [],
        "retrieval": ["embeddings"],
        "api": ["retrieval"],
        "generation": [],
    }
    types = {"embeddings": "Embeddings", "retrieval": "Retrieval", "api": "OrchestrationAPI"}
    return [
        {
            "name": name,
            "type": types.get(name, "Generation"),
            "image": images.get(name, "v1"),
            "replicas": 2,
            "dependsOn": [{"name": upstream} for upstream in upstreams],
        }
        for name, upstreams in needs.items()
    ]


def image_of(world: RolloutWorld, service: str) -> str:
    image: str = world.workload(service)["spec"]["template"]["spec"]["containers"][0]["image"]
    return image


def rollout_of(world: RolloutWorld, service: str) -> RolloutStatus:
    rollout = world.service(service).rollout
    assert rollout is not None
    return rollout


def test_an_upstream_is_updated_before_its_dependents() -> None:
    world = RolloutWorld.at_rest(chain())
    world.change(chain(embeddings="v2", retrieval="v2", api="v2", generation="v2"))
    world.step()
    assert {s: image_of(world, s) for s in ("embeddings", "retrieval", "api", "generation")} == {
        "embeddings": "v2",
        "retrieval": "v1",
        "api": "v1",
        "generation": "v2",
    }
    waiting = rollout_of(world, "api")
    assert (waiting.phase, waiting.reason) == (RolloutPhase.WAITING, "UpstreamUpdating")
    assert waiting.waiting_for == ["embeddings", "retrieval"]
    assert world.condition("Degraded") == ("False", "NoTrouble")
    order = []
    for _ in range(40):
        world.tick()
        before = [s for s in ("retrieval", "api") if image_of(world, s) == "v1"]
        done = world.running["demo-embeddings"] == ["v2", "v2"]
        world.step()
        for service in before:
            if image_of(world, service) == "v2":
                assert done, "the upstream is updated and ready"
                order.append(service)
    assert order == ["retrieval", "api"]
    world.settle()
    assert all(pods == ["v2", "v2"] for pods in world.running.values())
    assert world.condition("Progressing") == ("False", "Settled")


def test_a_failed_upstream_update_leaves_the_dependents_as_they_are() -> None:
    world = RolloutWorld.at_rest(chain())
    world.change(chain(embeddings="bad", retrieval="v2", api="v2"))
    for _ in range(400):
        world.tick()
        world.step()
    assert rollout_of(world, "embeddings").reason == "NotReady"
    for service, behind in (("retrieval", ["embeddings"]), ("api", ["embeddings", "retrieval"])):
        waiting = rollout_of(world, service)
        assert (waiting.phase, waiting.reason) == (RolloutPhase.WAITING, "UpstreamFailed")
        assert waiting.waiting_for == behind
        assert "embeddings" in (waiting.message or "")
        assert world.running[f"demo-{service}"] == ["v1", "v1"]
    assert world.running["demo-embeddings"].count("v1") == 2
    assert world.condition("Degraded") == ("True", "RolloutStuck")

    # An aborted one holds them too.
    world.command("embeddings", f"abort:{rollout_of(world, 'embeddings').revision}")
    world.settle()
    assert rollout_of(world, "embeddings").phase is RolloutPhase.ABORTED
    assert rollout_of(world, "retrieval").reason == "UpstreamFailed"
    assert world.running["demo-embeddings"] == ["v1", "v1"]

    world.change(chain(embeddings="v3", retrieval="v2", api="v2"))
    world.settle(120)
    assert world.running["demo-api"] == ["v2", "v2"]
    assert world.condition("Degraded") == ("False", "NoTrouble")


def test_one_that_waits_can_be_given_up() -> None:
    world = RolloutWorld.at_rest(chain())
    world.change(chain(embeddings="bad", retrieval="v2"))
    world.step()
    assert rollout_of(world, "retrieval").phase is RolloutPhase.WAITING
    world.command("retrieval", f"abort:{rollout_of(world, 'retrieval').revision}")
    world.step()
    assert rollout_of(world, "retrieval").phase is RolloutPhase.ABORTED
    assert rollout_of(world, "retrieval").reason == "AbortedByUser"


def test_what_is_under_way_is_not_held_by_an_upstream_that_changes_later() -> None:
    world = RolloutWorld.at_rest(chain())
    world.change(chain(api="v2"))
    world.step()
    world.change(chain(api="v2", embeddings="v2"))
    world.step()
    assert image_of(world, "api") == "v2"
    assert rollout_of(world, "api").phase is RolloutPhase.UPDATING


def test_an_optional_upstream_holds_nobody() -> None:
    services = chain(embeddings="v2", retrieval="v2")
    services[1]["dependsOn"] = [{"name": "embeddings", "required": False}]
    before = chain()
    before[1]["dependsOn"] = services[1]["dependsOn"]
    world = RolloutWorld.at_rest(before)
    world.change(services)
    world.step()
    assert image_of(world, "retrieval") == "v2"


def test_versions_are_recorded_when_they_are_there() -> None:
    world = RolloutWorld(rag_of(generation()))
    world.step()
    assert world.service("generation").stable is None
    world.settle()
    told = [world.versions]
    world.change(generation("v2"))
    world.step()
    told.append(world.versions)
    world.until(None)
    assert world.running["demo-generation"] == ["v2", "v2"]
    told.append(world.versions)
    world.change(generation("v1"))
    world.until("Updating")
    world.settle()
    told.append(world.versions)
    assert told == [("v1", None), ("v1", None), ("v2", "v1"), ("v1", "v2")]


def test_a_version_taken_back_before_its_end_was_none() -> None:
    world = RolloutWorld.at_rest(generation())
    world.change(generation("v2"))
    world.until("Updating")
    world.tick()
    world.change(generation("v1"))
    world.settle()
    assert world.versions == ("v1", None)
    assert world.running["demo-generation"] == ["v1", "v1"]


def test_what_is_no_version_changes_pods_by_a_rolling_update() -> None:
    """A start may take longer: the probe has it. Neither BlueGreen nor a new revision is made of it."""
    fields: dict[str, Any] = {"rollout": {"strategy": "BlueGreen"}}
    world = RolloutWorld.at_rest(generation(**fields))
    before = world.service("generation").stable
    world.change(generation(**fields, startup={"timeoutSeconds": 30}))
    todo = world.step()
    assert [apply.ref.kind for apply in todo.applies] == ["Deployment"]
    assert rollout_of(world, "generation").phase is RolloutPhase.UPDATING
    world.settle()
    assert world.service("generation").stable == before
    assert world.rollout is None


def test_another_default_image_is_another_version() -> None:
    service = rag_of(six()).spec.services[1]
    assert service.image is None
    one = version_of(service, IMAGES)
    other = version_of(
        service,
        Images(services="services:2", postgres="postgres:1", haproxy="haproxy:1", operator="operator:1"),
    )
    assert one.spec["image"] == "services:1"
    assert one.revision != other.revision


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"image": "x"}, False),
        ({"env": [{"name": "A", "value": "1"}]}, False),
        ({"resources": {"requests": {"cpu": "1"}}}, False),
        ({"health": {"path": "/other"}}, False),
        ({"health": {"periodSeconds": 7}}, False),
        ({"retrieval": {"topK": 9}}, False),
        ({"health": {"maxErrorPercent": 7}}, True),
        ({"replicas": 7}, True),
        ({"startup": {"timeoutSeconds": 7}}, True),
        ({"rollout": {"strategy": "BlueGreen"}}, True),
        ({"dependsOn": []}, True),
    ],
)
def test_what_makes_a_version(change: dict[str, Any], same: bool) -> None:
    old, new = (rag_of(six(retrieval=fields)).spec.services[3] for fields in ({}, change))
    before, after = version_of(old, IMAGES), version_of(new, IMAGES)
    assert (before.revision == after.revision) is same
    # The old version is the old one in what makes it, and as the spec is now in all else.
    back = at_version(new, before)
    assert back is not None
    assert version_of(back, IMAGES) == before
    assert (back.replicas, back.startup, back.rollout) == (new.replicas, new.startup, new.rollout)
    assert back.health.max_error_percent == new.health.max_error_percent


def test_a_field_that_an_older_operator_did_not_know_makes_no_version() -> None:
    service = rag_of(six()).spec.services[3]
    now = version_of(service, IMAGES)
    block = {k: v for k, v in now.spec["retrieval"].items() if k != "topK"}
    older = VersionStatus(revision="old", spec={**now.spec, "retrieval": block})
    assert reread(service, older, IMAGES) == now
    unknown = VersionStatus(revision="new", spec={**now.spec, "retrieval": {"notThere": 1}})
    assert reread(service, unknown, IMAGES) is None


def of_an_operator_before(status: RAGStatus) -> RAGStatus:
    """As one that knew a field less would have written it: all revisions are others."""
    (service,) = status.services
    versions = {"stable": service.stable, "target": service.rollout and service.rollout.target}
    older = {}
    for name, version in versions.items():
        assert version is not None
        block = {k: v for k, v in version.spec["generation"].items() if k != "maxTokens"}
        older[name] = VersionStatus(revision=f"old-{name}", spec={**version.spec, "generation": block})
    rollout = service.rollout and service.rollout.model_copy(
        update={"revision": "old-target", "target": older["target"]}
    )
    service = service.model_copy(update={"stable": older["stable"], "rollout": rollout})
    return status.model_copy(update={"services": [service]})


def test_a_version_that_was_given_up_is_not_tried_again_by_another_operator() -> None:
    fields: dict[str, Any] = {"rollout": {"strategy": "BlueGreen"}}
    world = RolloutWorld.at_rest(generation(**fields))
    world.change(generation("v2", **fields))
    world.until("Starting")
    world.command("generation", f"abort:{rollout_of(world, 'generation').revision}")
    world.settle()
    assert world.phase == "Aborted"
    before = rollout_of(world, "generation")
    world.rag = world.rag.model_copy(update={"status": of_an_operator_before(world.rag.status)})
    world.settle()
    assert rollout_of(world, "generation") == before
    assert "v2" not in world.served
    world.change(generation("v3", **fields))
    world.until(None, limit=1000)
    world.settle()
    assert world.running["demo-generation"] == ["v3", "v3"]


def test_status_keeps_no_copy_of_a_large_version_but_the_stable_one() -> None:
    """An object that is too large cannot be written any more."""
    large = [{"name": "A", "value": "x" * 17_000}]
    world = RolloutWorld.at_rest(generation(env=large))
    world.change(generation("v2", env=large))
    world.step()
    assert rollout_of(world, "generation").target is None
    world.settle()
    assert world.versions == ("v2", None)
    world.change(generation("v3"))
    world.step()
    assert rollout_of(world, "generation").target is not None


def test_a_status_that_was_lost_is_found_again() -> None:
    world = RolloutWorld.at_rest(generation(rollout={"strategy": "BlueGreen"}))
    world.change(generation("v2", rollout={"strategy": "BlueGreen"}))
    world.until("Switched")
    world.rag = world.rag.model_copy(update={"status": type(world.rag.status)()})
    world.settle()
    assert world.running == {"demo-generation": ["v2", "v2"]}
    assert world.versions == ("v2", None)


def test_a_status_that_was_lost_with_nothing_ready_takes_nobody_from_behind_the_service() -> None:
    """The second workload goes when the Service is seen not to select it, as always."""
    world = RolloutWorld.at_rest(generation(rollout={"strategy": "BlueGreen"}))
    world.change(generation("v2", rollout={"strategy": "BlueGreen"}))
    world.until("Switched")
    world.capacity, world.broken = 0, {"v1", "v2"}
    world.tick()
    world.rag = world.rag.model_copy(update={"status": RAGStatus()})
    assert not world.step().deletes
    assert world.step().deletes
    world.broken.clear()
    world.settle()
    assert world.running == {"demo-generation": ["v2", "v2"]}


def test_paused_rollouts_stand_still() -> None:
    fields: dict[str, Any] = {"rollout": {"strategy": "BlueGreen"}}
    world = RolloutWorld.at_rest(generation(**fields))
    world.change(generation("v2", **fields))
    world.until("Checking")
    before = world.rollout
    world.change(generation("v2", **fields), paused=True)
    for _ in range(3):
        todo = world.step(seconds=100)
        assert (todo.applies, todo.deletes) == ((), ())
    assert world.rollout == before


def test_the_revision_is_on_the_workload() -> None:
    world = RolloutWorld.at_rest(generation())
    workload = world.workload("generation")
    stable = world.service("generation").stable
    assert stable is not None
    assert workload["metadata"]["annotations"][REVISION_ANNOTATION] == stable.revision
    assert workload_view(workload).revision == stable.revision


def test_the_phases_are_told_by_events() -> None:
    fields: dict[str, Any] = {"rollout": {"strategy": "BlueGreen"}}
    world = RolloutWorld.at_rest(generation(**fields))
    world.change(generation("v2", **fields))
    told: list[str] = []
    for _ in range(500):
        before = world.rag.status
        world.tick()
        world.step()
        told += [t.reason for t in transitions(before, world.rag.status) if t.reason.startswith("Rollout")]
    assert told == [
        "RolloutStarting",
        "RolloutChecking",
        "RolloutSwitched",
        "RolloutPromoting",
        "RolloutComplete",
    ]
