"""Systems that an operator made before there were rollouts: pods without a variant, no version on record."""

from typing import Any

import pytest
from tests.unit.operator.world import World, rag_of, six

from ragops.api.names import REVISION_ANNOTATION, VARIANT_LABEL
from ragops.api.status import RolloutPhase, RolloutStatus
from ragops.resources.child import ChildRef, Manifest
from ragops.resources.variant import Traffic, traffic_of

NAMES = ("generation", "api", "retrieval")


def services() -> list[dict[str, Any]]:
    """api needs retrieval; generation stands alone."""
    made = [service for service in six() if service["name"] in NAMES]
    needs = {"api": [{"name": "retrieval"}], "retrieval": [], "generation": []}
    return [{**service, "replicas": 2, "dependsOn": needs[service["name"]]} for service in made]


@pytest.fixture
def world() -> World:
    """All is ready, as the operator before has left it."""
    made = World(rag_of(services()))
    for _ in range(3):
        made.step()
        made.make_ready(*made.started())
    made.step()
    for name in NAMES:
        _without_variants(made.workload(name))
        del made.workload(name)["metadata"]["annotations"][REVISION_ANNOTATION]
        del address(made, name)["spec"]["selector"][VARIANT_LABEL]
    known = [s.model_copy(update={"stable": None, "rollout": None}) for s in made.rag.status.services]
    status = made.rag.status.model_copy(update={"services": known})
    made.rag = made.rag.model_copy(update={"status": status})
    return made


def _without_variants(deployment: Manifest) -> None:
    spec = deployment["spec"]
    template = spec["template"]
    labels = {k: v for k, v in template["metadata"]["labels"].items() if k != VARIANT_LABEL}
    selector = {k: v for k, v in spec["selector"]["matchLabels"].items() if k != VARIANT_LABEL}
    spec["template"] = {**template, "metadata": {"labels": labels}}
    spec["selector"] = {"matchLabels": selector}


def address(world: World, name: str) -> Manifest:
    return world.children[ChildRef("v1", "Service", f"demo-{name}")]


def traffic(world: World, name: str = "generation") -> Traffic:
    return traffic_of(address(world, name))


def is_labelled(world: World, name: str) -> bool:
    return VARIANT_LABEL in world.workload(name)["spec"]["template"]["metadata"]["labels"]


def replace_pods(world: World, name: str, updated: int) -> None:
    """So many pods are of the present template; all are ready."""
    world.make_ready(name)
    world.workload(name)["status"]["updatedReplicas"] = updated


def rollout_of(world: World, name: str) -> RolloutStatus:
    rollout = world.service(name).rollout
    assert rollout is not None
    return rollout


def test_its_pods_stay_behind_the_service_until_all_say_of_which_variant_they_are(world: World) -> None:
    selector = world.workload("generation")["spec"]["selector"]
    assert VARIANT_LABEL not in selector["matchLabels"]
    for updated in (0, 1, 2):
        world.step()
        assert traffic(world) is Traffic.BOTH
        assert is_labelled(world, "generation")
        assert world.workload("generation")["spec"]["selector"] == selector
        replace_pods(world, "generation", updated)
    world.step()
    assert traffic(world) is Traffic.STABLE
    assert world.service("generation").stable is not None
    for _ in range(3):
        assert not [a for a in world.step().applies if a.service == "generation"]


def test_a_service_that_was_made_too_narrow_is_opened_again(world: World) -> None:
    """By an operator that did not know better, or because it was deleted and is made anew."""
    address(world, "generation")["spec"]["selector"][VARIANT_LABEL] = "stable"
    del world.children[ChildRef("v1", "Service", "demo-retrieval")]
    world.step()
    assert traffic(world) is Traffic.BOTH
    assert traffic(world, "retrieval") is Traffic.BOTH


def test_a_new_version_waits_for_its_turn_even_where_none_is_on_record(world: World) -> None:
    before = world.workload("api")["metadata"]["generation"]
    for updated in (0, 1):
        world.step()
        waiting = rollout_of(world, "api")
        assert (waiting.phase, waiting.reason) == (RolloutPhase.WAITING, "UpstreamUpdating")
        assert waiting.waiting_for == ["retrieval"]
        assert world.workload("api")["metadata"]["generation"] == before
        assert traffic(world, "api") is Traffic.BOTH
        assert rollout_of(world, "retrieval").phase is RolloutPhase.UPDATING
        assert rollout_of(world, "retrieval").updated_replicas == 0
        replace_pods(world, "retrieval", updated)
    replace_pods(world, "retrieval", 2)
    world.step()
    assert world.service("retrieval").rollout is None
    assert is_labelled(world, "api")
    replace_pods(world, "api", 2)
    replace_pods(world, "generation", 2)
    world.step()
    assert [world.service(name).rollout for name in NAMES] == [None] * 3
    assert all(world.service(name).stable for name in NAMES)
    world.step()
    assert {traffic(world, name) for name in NAMES} == {Traffic.STABLE}


def test_a_version_is_recorded_though_more_pods_are_on_their_way() -> None:
    made = World(rag_of(services()))
    made.step()
    made.make_ready("generation")
    made.workload("generation")["status"] |= {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 2}
    made.step()
    assert made.service("generation").stable is not None
    assert made.service("generation").rollout is None


def test_no_second_workload_is_made_while_the_service_is_open_to_all(world: World) -> None:
    for _ in range(4):
        world.step()
        for name in ("generation", "retrieval"):
            replace_pods(world, name, 2)
    assert traffic(world) is Traffic.STABLE
    _without_variants(world.workload("generation"))
    del address(world, "generation")["spec"]["selector"][VARIANT_LABEL]
    changed = services()
    for service in changed:
        service |= {"image": "new", "rollout": {"strategy": "BlueGreen"}}
    metadata = world.rag.metadata.model_copy(update={"generation": 2})
    world.rag = world.rag.model_copy(update={"spec": rag_of(changed).spec, "metadata": metadata})
    candidate = ChildRef("apps/v1", "Deployment", "demo-generation-candidate")
    for updated in (0, 1, 2):
        world.step()
        assert traffic(world) is Traffic.BOTH
        assert candidate not in world.children
        replace_pods(world, "generation", updated)
    world.step()
    assert traffic(world) is Traffic.STABLE
    assert candidate in world.children
