"""Blue-green rollouts: the Service switches at once, and back; a killed operator goes on."""

import time
from itertools import count

import pytest

from .audit import Audit
from .conftest import StartOperator, user
from .eventually import eventually
from .serving import Serving
from .space import Object, Space, services

OWN, CANDIDATE = "demo-generation", "demo-generation-candidate"


def service(image: str = "test/services:1", check: int = 2, delay: int = 2, **fields: object) -> list[Object]:
    rollout = {
        "strategy": "BlueGreen",
        "blueGreen": {"checkSeconds": check, "scaleDownDelaySeconds": delay},
    }
    return services("generation", generation={"image": image, "replicas": 2, "rollout": rollout, **fields})


def rollout(space: Space) -> Object:
    found: Object = space.service("generation").get("rollout", {})
    return found


def await_phase(space: Space, phase: str | None) -> Object:
    eventually(lambda: rollout(space).get("phase") == phase, f"the rollout is {phase}")
    return rollout(space)


def stable_image(space: Space) -> str | None:
    image: str | None = space.service("generation").get("stable", {}).get("spec", {}).get("image")
    return image


def variant(space: Space) -> str | None:
    """The variant that the Service selects."""
    found: str | None = space.get("Service", OWN)["spec"]["selector"].get("ragops.dev/variant")
    return found


def await_rolled_out(space: Space, image: str) -> None:
    eventually(lambda: stable_image(space) == image, f"{image} is the stable version", 60)
    eventually(lambda: space.find("Deployment", CANDIDATE) is None, "the candidate is gone")
    eventually(lambda: len(space.pods("generation")) == 2, "its pods too")
    space.await_ready()
    images = {pod["spec"]["containers"][0]["image"] for pod in space.pods("generation")}
    assert images == {image}
    assert variant(space) == "stable"
    assert rollout(space) == {}


def await_first(space: Space) -> None:
    space.apply_rag(service())
    space.await_ready()
    eventually(lambda: stable_image(space) == "test/services:1", "the first version is recorded")


@pytest.mark.usefixtures("operator")
def test_a_version_is_switched_to_and_takes_the_place_of_the_old_one(space: Space, audit: Audit) -> None:
    await_first(space)
    own = space.get("Deployment", OWN)["metadata"]["uid"]
    with Serving(space, "generation", least=2) as serving:
        space.apply_rag(service("test/slow:2", delay=3))
        await_phase(space, "Checking")
        assert (variant(space), serving.images) == ("stable", {"test/services:1"})
        assert space.condition("Progressing")["reason"] == "Updating"
        await_phase(space, "Switched")
        assert variant(space) == "candidate"
        assert space.get("Deployment", CANDIDATE)["spec"]["replicas"] == 2
        old = [
            p for p in space.pods("generation") if p["metadata"]["labels"]["ragops.dev/variant"] == "stable"
        ]
        assert {pod["spec"]["containers"][0]["image"] for pod in old} == {"test/services:1"}
        await_phase(space, "Promoting")
        await_rolled_out(space, "test/slow:2")
    assert serving.images == {"test/services:1", "test/slow:2"}
    assert space.get("Deployment", OWN)["metadata"]["uid"] == own
    assert space.service("generation")["previous"]["spec"]["image"] == "test/services:1"
    told = [e["reason"] for e in space.all_of("Event") if e["reason"].startswith("Rollout")]
    assert {"RolloutStarting", "RolloutSwitched", "RolloutComplete"} <= set(told)
    audit.assert_no_writes(user(space), 5)


@pytest.mark.usefixtures("operator")
def test_a_version_that_does_not_start_never_gets_a_request(space: Space, audit: Audit) -> None:
    await_first(space)
    with Serving(space, "generation", least=2) as serving:
        space.apply_rag(service("test/missing:2", startup={"timeoutSeconds": 5}))
        eventually(lambda: rollout(space).get("reason") == "ImagePullFailed", "the reason is told")
        told = await_phase(space, "Aborted")
        assert told["reason"] == "ImagePullFailed"
        eventually(lambda: space.find("Deployment", CANDIDATE) is None, "the candidate is gone")
        assert space.condition("Degraded")["reason"] == "RolloutAborted"
        audit.assert_no_writes(user(space), 5)
        # Taken back by a person, nothing is left of it.
        space.apply_rag(service())
        space.await_ready()
        assert rollout(space) == {}
        assert space.condition("Degraded")["status"] == "False"
    assert serving.images == {"test/services:1"}


@pytest.mark.usefixtures("operator")
def test_what_breaks_after_the_switch_is_taken_back(space: Space) -> None:
    await_first(space)
    (patient,) = service("test/services:2", delay=600)
    space.apply_rag([{**patient, "startup": {"timeoutSeconds": 10}}])
    await_phase(space, "Switched")
    candidates = [
        p for p in space.pods("generation") if p["metadata"]["labels"]["ragops.dev/variant"] == "candidate"
    ]
    for pod in candidates:
        conditions = [{"type": "Ready", "status": "False"}]
        space.patch(
            "Pod", pod["metadata"]["name"], {"status": {"conditions": conditions}}, "status", by="kubelet"
        )
    eventually(lambda: variant(space) == "stable", "the old version serves", 5)
    # They have the time of a start to come back: a drained node is no fault of the version.
    assert await_phase(space, "Aborted")["reason"] in ("CandidateUnhealthy", "NotReady")
    assert variant(space) == "stable"
    space.await_state("generation", "Ready")


@pytest.mark.usefixtures("operator")
def test_abort_by_a_person(space: Space) -> None:
    await_first(space)
    with Serving(space, "generation", least=2):
        space.apply_rag(service("test/services:2", delay=600))
        revision = await_phase(space, "Switched")["revision"]
        command = {"metadata": {"annotations": {"rollout.ragops.dev/generation": f"abort:{revision}"}}}
        space.patch("RAGDeployment", "demo", command)
        eventually(lambda: variant(space) == "stable", "the old version serves", 5)
        assert await_phase(space, "Aborted")["reason"] == "AbortedByUser"
        eventually(lambda: space.find("Deployment", CANDIDATE) is None, "the candidate is gone")


@pytest.mark.usefixtures("operator")
def test_what_a_person_changes_on_the_way_comes_back(space: Space) -> None:
    await_first(space)
    space.apply_rag(service("test/services:2", delay=15))
    await_phase(space, "Switched")
    space.patch("Service", OWN, {"spec": {"selector": {"ragops.dev/variant": "stable"}}})
    eventually(lambda: variant(space) == "candidate", "the Service", 5)
    space.patch("Deployment", CANDIDATE, {"spec": {"replicas": 1}})
    eventually(lambda: space.get("Deployment", CANDIDATE)["spec"]["replicas"] == 2, "its size", 5)
    space.delete("Deployment", OWN)
    eventually(lambda: space.find("Deployment", OWN), "the own workload", 5)
    await_rolled_out(space, "test/services:2")


def test_killed_again_and_again_it_goes_on(space: Space, start_operator: StartOperator) -> None:
    """Killed after other times each, most of them in the middle of something."""
    operator = start_operator(RAGOPS_LEADER_ELECT="false")
    await_first(space)
    with Serving(space, "generation", least=2):
        for version, step in ((2, 0.11), (3, 0.17)):
            image = f"test/services:{version}"
            space.apply_rag(service(image, check=1, delay=1))
            for number in count():
                time.sleep(0.05 + step * (number % 7))  # not a wait for anything: the moment of the kill
                operator.kill()
                operator = start_operator(RAGOPS_LEADER_ELECT="false")
                if stable_image(space) == image:
                    break
                assert number < 60, rollout(space)
            await_rolled_out(space, image)
