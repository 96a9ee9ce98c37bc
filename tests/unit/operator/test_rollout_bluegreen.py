"""BlueGreen: candidate at full size, checks, switch, way back, promotion; kills between any two writes."""

from typing import Any

import pytest
from tests.unit.operator.rollout_world import CANDIDATE, OWN, RolloutWorld, generation

from ragops.api.status import HealthState, HealthStatus, ServiceState
from ragops.health.assess import Evidence
from ragops.health.checks import Checks, PodChecks
from ragops.health.hysteresis import Streak, Verdict

BLUE_GREEN: dict[str, Any] = {
    "strategy": "BlueGreen",
    "blueGreen": {"checkSeconds": 5, "scaleDownDelaySeconds": 10},
}


def service(image: str = "v1", **fields: Any) -> list[dict[str, Any]]:
    return generation(image, **{"rollout": BLUE_GREEN, **fields})


def at_rest() -> RolloutWorld:
    world = RolloutWorld.at_rest(service())
    assert world.versions == ("v1", None)
    assert world.rollout is None
    return world


def assert_rolled_out(world: RolloutWorld, image: str, before: str) -> None:
    assert world.running == {OWN: [image, image]}
    assert world.serving() == [image, image]
    assert world.rollout is None
    assert world.versions == (image, before)
    assert world.condition("Progressing") == ("False", "Settled")
    assert world.condition("Degraded") == ("False", "NoTrouble")


def test_the_way_of_a_good_version() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Starting")
    assert world.replicas(CANDIDATE) == 2
    assert world.condition("Progressing") == ("True", "Updating")
    world.until("Checking")
    assert world.serving() == ["v1", "v1"]
    checked = world.now
    world.until("Switched")
    assert (world.now - checked).total_seconds() >= 5
    assert world.serving() == ["v2", "v2"]
    assert world.running[OWN] == ["v1", "v1"]
    switched = world.now
    world.until("Promoting")
    assert (world.now - switched).total_seconds() >= 10
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


def test_a_version_that_does_not_start_is_given_up_after_the_time_of_a_start() -> None:
    world = at_rest()
    world.change(service("bad", startup={"timeoutSeconds": 20}))
    started = world.now
    world.until("Aborted")
    assert (world.now - started).total_seconds() >= 20
    world.settle()
    assert world.running == {OWN: ["v1", "v1"]}
    rollout = world.rollout
    assert rollout is not None
    assert rollout.reason == "NotReady"
    assert "undo" in (rollout.message or "")
    assert world.condition("Degraded") == ("True", "RolloutAborted")
    assert world.condition("Progressing") == ("False", "Settled")
    assert world.versions == ("v1", None)
    # It is told until the version changes, and then the next one has its turn.
    world.step(seconds=1000)
    assert world.phase == "Aborted"
    world.change(service("v3"))
    world.until("Switched")
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v3", "v1")
    assert world.served == {"v1", "v3"}


def test_what_fails_after_the_switch_is_taken_back_at_once() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Switched")
    world.capacity = 0
    world.broken = {"v2"}
    world.tick()
    world.step()
    assert world.serving() == ["v1", "v1"]
    world.capacity = 2
    assert world.phase == "Aborted"
    assert world.rollout is not None
    assert world.rollout.reason == "CrashLoop"
    world.settle()
    assert world.running == {OWN: ["v1", "v1"]}


def test_a_pod_that_is_lost_begins_the_check_anew() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Checking")
    world.step(seconds=4)
    world.running[CANDIDATE].pop()
    world.tick()
    world.running[CANDIDATE].pop()  # and its successor is not there yet
    world._tell(world.workload("generation-candidate"))
    world.step()
    assert world.phase == "Starting"
    world.until("Checking")
    begun = world.now
    world.until("Switched")
    assert (world.now - begun).total_seconds() >= 5


@pytest.mark.parametrize("phase", ["Starting", "Checking", "Switched", "Promoting"])
def test_abort_at_any_time(phase: str) -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until(phase)
    world.tick()
    assert world.rollout is not None
    world.command("generation", "abort:0123456789")
    world.step()
    assert world.phase != "Aborted", "a command for another version is none"
    world.command("generation", f"abort:{world.rollout.revision}")
    world.step()
    assert world.phase == "Aborted"
    assert world.rollout is not None
    assert world.rollout.reason == "AbortedByUser"
    if phase != "Promoting":
        assert world.serving() == ["v1", "v1"]
    world.settle()
    assert world.running == {OWN: ["v1", "v1"]}
    assert world.versions == ("v1", None)


@pytest.mark.parametrize("phase", ["Starting", "Checking", "Switched", "Promoting"])
@pytest.mark.parametrize("image", ["v1", "v3"])
def test_the_spec_changes_on_the_way(phase: str, image: str) -> None:
    """Back to the stable version ends the rollout; a third version begins one of its own."""
    world = at_rest()
    world.change(service("v2"))
    world.until(phase)
    world.change(service(image))
    world.step()
    assert world.serving().count("v3") == 0
    if image == "v1":
        assert world.rollout is None or world.rollout.revision == world.service("generation").stable.revision  # type: ignore[union-attr]
        world.settle()
        assert world.running == {OWN: ["v1", "v1"]}
        assert world.versions == ("v1", None)
    else:
        world.until("Switched")
        assert set(world.serving()) == {"v3"}
        world.until(None)
        world.settle()
        assert_rolled_out(world, "v3", "v1")


def test_manual_promotion() -> None:
    world = RolloutWorld.at_rest(service(rollout={**BLUE_GREEN, "promotion": "Manual"}))
    world.change(service("v2", rollout={**BLUE_GREEN, "promotion": "Manual"}))
    world.until("Paused")
    world.step(seconds=100_000)
    assert world.phase == "Paused"
    assert world.rollout is not None
    assert world.rollout.reason == "WaitingForPromotion"
    assert world.condition("Degraded") == ("False", "NoTrouble")
    world.command("generation", f"promote:{world.rollout.revision}")
    world.step()
    assert world.phase == "Switched"
    assert world.serving() == ["v2", "v2"]
    world.step()
    assert world.phase == "Switched", "the way back is kept as long as without a person"
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


def test_the_candidate_follows_the_size_of_the_service() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Switched")
    world.change(service("v2", replicas=4))
    world.step()
    world.step()
    assert world.replicas(CANDIDATE) == 4
    assert world.phase == "Switched"
    for _ in range(4):
        world.tick()
    assert world.serving() == ["v2"] * 4


@pytest.mark.parametrize("name", ["generation", "generation-candidate"])
@pytest.mark.parametrize("phase", ["Checking", "Switched", "Promoting"])
def test_a_workload_that_a_person_deletes_comes_back(phase: str, name: str) -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until(phase)
    world.capacity = 0  # a person has taken it away
    ref = next(ref for ref in world.children if ref.kind == "Deployment" and ref.name == f"demo-{name}")
    world._delete(ref)
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


def test_the_way_back_is_kept_until_the_switch_was_made() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.refused = "Service"
    world.until("Switched")
    world.step(seconds=1000)
    world.step()
    assert (world.phase, world.serving()) == ("Switched", ["v1", "v1"])
    assert world.running[OWN] == ["v1", "v1"]
    world.refused = ""
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


@pytest.mark.parametrize("image", ["v1", "v3"])
def test_what_has_the_requests_is_left_alone(image: str) -> None:
    """The Service could not be switched back: the candidate neither goes nor becomes another version."""
    world = at_rest()
    world.change(service("v2"))
    world.until("Switched")
    world.refused = "Service"
    world.change(service(image))
    for _ in range(3):
        world.step()
        world.tick()
    assert world.running[CANDIDATE] == ["v2", "v2"]
    assert world.serving() == ["v2", "v2"]
    world.refused = ""
    world.step()
    assert world.serving() == ["v1", "v1"]


def failing(world: RolloutWorld, pods_failing: int) -> None:
    """The operator's own check fails on so many of the new version's pods."""
    failed = PodChecks(Streak(verdict=Verdict.FAILING))
    pods = {f"{CANDIDATE}-{n}-v2": failed for n in range(pods_failing)}
    world.evidence = {"generation": Evidence(checks=Checks(pods, answered=True))}


@pytest.mark.parametrize(("phase", "pods_failing"), [("Checking", 1), ("Switched", 2)])
def test_a_version_that_fails_the_check_is_not_healthy(phase: str, pods_failing: int) -> None:
    """Before the switch one failing pod is enough; after it, one is a matter of the service's health."""
    world = at_rest()
    world.change(service("v2"))
    world.until(phase)
    failing(world, pods_failing - 1)
    world.step()
    assert world.phase == phase
    failing(world, pods_failing)
    world.step()
    assert world.phase == "Aborted"
    assert world.rollout is not None
    assert world.rollout.reason == "CandidateUnhealthy"
    assert world.serving() == ["v1", "v1"]


def test_a_service_that_becomes_unhealthy_with_the_new_version_goes_back() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Switched")
    world.step()
    (status,) = world.rag.status.services
    health = HealthStatus(state=HealthState.UNHEALTHY, last_transition=world.now)
    for caused_by, phase in (("other", "Switched"), (None, "Aborted")):
        ill = status.model_copy(update={"health": health.model_copy(update={"caused_by": caused_by})})
        ragstatus = world.rag.status.model_copy(update={"services": [ill]})
        world.rag = world.rag.model_copy(update={"status": ragstatus})
        world.step()
        assert world.phase == phase


def test_a_candidate_that_is_lost_while_it_is_promoted_loses_the_requests() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Promoting")
    world.capacity = 0
    world._delete(next(ref for ref in world.children if ref.name == CANDIDATE))
    world.step()
    assert len(world.serving()) == 2


def test_a_service_that_is_set_to_nothing_on_the_way() -> None:
    world = at_rest()
    world.capacity = 0
    world.change(service("v2"))
    world.until("Switched")
    world.change(service("v2", replicas=0))
    world.step()
    world.step()
    assert world.replicas(CANDIDATE) == 0


def test_trouble_of_the_candidate_is_none_of_the_service() -> None:
    world = at_rest()
    world.change(service("v2"))
    world.until("Starting")
    world.broken = {"v2"}
    world.tick()
    world.capacity = 0
    world.running[OWN] = ["bad", "bad"]
    world._tell(world.workload("generation"))
    world.step()
    status = world.service("generation")
    assert (status.state, status.startup.reason) == (ServiceState.UNAVAILABLE, None)
    assert world.rollout is not None
    assert world.rollout.reason == "CrashLoop"


@pytest.mark.parametrize("what", [None, "abort", "revert"])
def test_killed_after_any_write(what: str | None) -> None:
    """Each pass of a whole rollout, ended before and after each of its writes: all end in the same place, and
    there is capacity all the time."""

    def run(killed: tuple[int, int] | None) -> list[int]:
        """Returns the number of writes of each pass."""
        world, writes = at_rest(), []
        world.change(service("v2"))
        for number in range(35):
            world.tick()
            todo = world.step(killed_after=killed[1] if killed and killed[0] == number else None)
            writes.append(len(list(world._writes(todo))))
            if world.phase == "Switched" and world.rollout and what == "abort":
                world.command("generation", f"abort:{world.rollout.revision}")
            if world.phase == "Switched" and what == "revert":
                world.change(service("v1"))
        world.settle()
        if what is None:
            assert_rolled_out(world, "v2", "v1")
        else:
            assert world.running == {OWN: ["v1", "v1"]}
            assert world.phase == ("Aborted" if what == "abort" else None)
        return writes

    writes = run(None)
    assert sum(writes) >= 9
    for number, count in enumerate(writes):
        for killed_after in range(count):
            run((number, killed_after))
