"""BlueGreen: candidate at full size, checks, switch, way back, promotion; kills between any two writes."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit.operator.rollout_world import CANDIDATE, OWN, RolloutWorld, generation
from tests.unit.operator.world import rag_of

from ragops.api.status import HealthState, HealthStatus, ServiceState
from ragops.health.assess import Evidence
from ragops.health.checks import Checks, PodChecks
from ragops.health.hysteresis import Streak, Verdict
from ragops.orchestration.observation import workload_view

BLUE_GREEN: dict[str, Any] = {
    "strategy": "BlueGreen",
    "blueGreen": {"checkSeconds": 5, "scaleDownDelaySeconds": 10},
}


LONG_WAY_BACK: dict[str, Any] = {"checkSeconds": 5, "scaleDownDelaySeconds": 2000}


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
    found(world, *[Verdict.FAILING] * pods_failing)


def found(world: RolloutWorld, *verdicts: Verdict, answered: bool = True) -> None:
    """What the operator's own check says of the new version's pods."""
    pods = {f"{CANDIDATE}-{n}-v2": PodChecks(Streak(verdict=verdict)) for n, verdict in enumerate(verdicts)}
    world.evidence = {"generation": Evidence(checks=Checks(pods, answered=answered))}


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
    assert world.replicas(CANDIDATE) == 2, "what has the requests does not shrink"
    world.until(None)
    world.settle()
    assert world.running == {OWN: []}
    assert world.versions == ("v2", "v1")


@pytest.mark.parametrize("phase", ["Checking", "Switched"])
def test_checks_that_nobody_answers_say_nothing(phase: str) -> None:
    """The operator does not reach the pods at all."""
    world = at_rest()
    world.change(service("v2"))
    world.until(phase)
    found(world, Verdict.FAILING, Verdict.FAILING, answered=False)
    world.step()
    assert world.phase == phase
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


@pytest.mark.parametrize("promoted", [False, True])
def test_checks_that_are_answered_must_be_good_before_the_switch(promoted: bool) -> None:
    world = at_rest()
    found(world)
    world.change(service("v2"))
    world.until("Checking")
    found(world, Verdict.GOOD)
    world.step(seconds=100)
    world.step()
    assert (world.phase, world.serving()) == ("Checking", ["v1", "v1"])
    assert world.step().quiet
    rollout = world.rollout
    assert rollout is not None
    assert "check" in (rollout.message or "")
    if promoted:
        world.command("generation", f"promote:{rollout.revision}")
    else:
        found(world, Verdict.GOOD, Verdict.GOOD)
    world.step()
    assert world.phase == "Switched"


@pytest.mark.parametrize("phase", ["Checking", "Paused"])
def test_more_pods_that_are_wanted_do_not_begin_the_check_anew(phase: str) -> None:
    fields: dict[str, Any] = {
        "rollout": {**BLUE_GREEN, "promotion": "Manual" if phase == "Paused" else "Automatic"}
    }
    world = RolloutWorld.at_rest(service(**fields))
    world.change(service("v2", **fields))
    world.until(phase)
    rollout = world.rollout
    assert rollout is not None
    world.late = {CANDIDATE}
    world.change(service("v2", replicas=4, **fields))
    for _ in range(5):
        world.tick()
        world.step(seconds=10)
    assert world.rollout is not None
    assert (world.rollout.phase, world.rollout.since) == (rollout.phase, rollout.since)
    assert world.running[CANDIDATE] == ["v2", "v2", "v2?", "v2?"]
    assert world.serving() == ["v1"] * 4
    world.command("generation", f"promote:{rollout.revision}")
    world.step()
    assert world.phase == phase, "not all of it is there"
    assert world.rollout is not None
    assert world.rollout.message == "2 of 4 pods of the new version are ready"
    world.late = set()
    world.running[CANDIDATE] = ["v2"] * 4
    world.capacity = 4
    world.tick()
    world.step()
    assert world.phase == "Switched"


def test_pods_that_are_wanted_later_and_never_come_are_told() -> None:
    fields: dict[str, Any] = {"startup": {"timeoutSeconds": 20}}
    world = RolloutWorld.at_rest(service(**fields))
    world.change(service("v2", **fields))
    world.until("Checking")
    assert world.rollout is not None
    since = world.rollout.since
    assert since is not None
    world.late = {CANDIDATE}
    world.change(service("v2", replicas=3, **fields))
    while world.condition("Degraded") != ("True", "RolloutStuck"):
        assert (world.now - since).total_seconds() < 60
        world.tick()
        world.step()
    assert (world.now - since).total_seconds() >= 5 + 20, "the check, and then the time of a start"
    assert world.rollout.reason == "NotReady"
    assert world.serving() == ["v1"] * 3
    world.late = set()
    world.running[CANDIDATE] = ["v2"] * 3
    world.until("Switched")


def test_each_pod_has_the_time_of_a_start() -> None:
    fields: dict[str, Any] = {"replicas": 4, "startup": {"timeoutSeconds": 20}}
    world = RolloutWorld.at_rest(service(**fields), capacity=4)
    world.change(service("v2", **fields))
    world.step()
    for _ in range(4):
        assert world.phase == "Starting"
        world.step(seconds=15)
        world.tick()
    world.step()
    assert world.phase == "Checking"
    world = RolloutWorld.at_rest(service(**fields), capacity=4)
    world.change(service("v2", **fields))
    world.late = {CANDIDATE}
    world.step()
    for _ in range(2):
        world.step(seconds=15)
        world.tick()
    world.step()
    assert world.phase == "Aborted", "none of them has become ready"


def scaled_by_others(image: str) -> list[dict[str, Any]]:
    (found,) = service(image)
    del found["replicas"]
    return [found]


def test_what_has_the_requests_does_not_shrink_with_the_idle_workload() -> None:
    """An autoscaler sees old pods without load."""
    world = RolloutWorld(rag_of(scaled_by_others("v1")))
    world.settle()
    own = world.workload("generation")
    own["spec"]["replicas"] = 4
    world.settle()
    world.capacity = 4
    world.change(scaled_by_others("v2"))
    world.until("Switched")
    world.step()
    world.workload("generation")["spec"]["replicas"] = 1
    for _ in range(5):
        world.tick()
        world.step()
    assert world.running[OWN] == ["v1"]
    assert world.serving() == ["v2"] * 4
    world.until("Promoting")
    assert world.replicas(CANDIDATE) == 4
    assert world.serving() == ["v2"] * 4


@pytest.mark.parametrize("phase", ["Switched", "Promoting"])
def test_the_old_version_helps_out_while_pods_of_the_new_one_are_missing(phase: str) -> None:
    fields: dict[str, Any] = {"rollout": {**BLUE_GREEN, "blueGreen": LONG_WAY_BACK}}
    if phase == "Promoting":
        fields = {}
    world = RolloutWorld.at_rest(service(**fields))
    world.change(service("v2", **fields))
    world.until(phase)
    world.step()
    world.capacity = 1  # until it is noticed
    world.late = {CANDIDATE, OWN}
    world.running[CANDIDATE] = ["v2", "v2?"]
    world.tick()
    world.step()
    assert sorted(world.serving()) == ["v1", "v1", "v2"]
    world.capacity = 2
    world.step(seconds=1000)
    world.step()
    assert (world.phase, len(world.serving())) == (phase, 3)
    world.late = set()
    world.running = {name: [pod.removesuffix("?") for pod in pods] for name, pods in world.running.items()}
    world.tick()
    world.step()
    if phase == "Switched":
        world.step()
        assert world.serving() == ["v2", "v2"]
        world.step(seconds=2000)
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


def test_a_pod_that_never_comes_back_does_not_hold_up_a_switched_rollout() -> None:
    """Its node is lost, and there is no room elsewhere."""
    world = at_rest()
    world.change(service("v2"))
    world.until("Switched")
    world.step()
    world.capacity = 1  # until it is noticed
    world.late = {CANDIDATE}
    world.running[CANDIDATE] = ["v2", "v2?"]
    world.tick()
    world.step()
    world.capacity = 2
    world.until("Promoting")
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


def test_an_own_workload_that_does_not_take_the_new_version_is_told() -> None:
    """Nothing that can be seen ails its pods."""
    fields: dict[str, Any] = {"startup": {"timeoutSeconds": 20}}
    world = RolloutWorld.at_rest(service(**fields))
    world.change(service("v2", **fields))
    world.until("Promoting")
    world.late = {OWN}
    for _ in range(25):
        world.tick()
        world.step()
    assert world.phase == "Promoting"
    assert world.condition("Degraded") == ("True", "RolloutStuck")
    assert world.rollout is not None
    assert world.rollout.reason == "NotReady"
    assert world.serving() == ["v2", "v2"]


CANARY: dict[str, Any] = {"strategy": "Canary", "canary": {"steps": [{"weightPercent": 25}]}}


@pytest.mark.parametrize("steps", [CANARY, {"strategy": "RollingUpdate"}])
@pytest.mark.parametrize("image", ["v1", "v2", "v3"])
def test_a_strategy_that_changes_on_the_way_takes_no_capacity(image: str, steps: dict[str, Any]) -> None:
    """The world checks it with each write and each pod."""
    fields: dict[str, Any] = {"replicas": 4}
    world = RolloutWorld.at_rest(service(**fields), capacity=4)
    world.change(service("v2", **fields))
    world.until("Promoting")
    world.step()
    world.change(service(image, rollout=steps, **fields))
    for _ in range(20):
        world.tick()
        world.step()


@pytest.mark.parametrize("rollout", [BLUE_GREEN, {"strategy": "RollingUpdate"}])
@pytest.mark.parametrize("image", ["v1", "v2", "v3"])
def test_an_update_in_place_that_is_overtaken_takes_no_capacity(image: str, rollout: dict[str, Any]) -> None:
    """The world checks it with each write and each pod."""
    world = RolloutWorld.at_rest(service(replicas=4), capacity=4)
    world.room = 8
    world.change(service("v2", replicas=4))
    world.until("Promoting")
    while world.running[OWN] != ["v1"] * 3:
        assert world.phase == "Promoting"
        world.tick()
        world.step()
    world.change(service(image, replicas=4, rollout=rollout))
    for _ in range(20):
        world.step()
        world.tick()
    world.room = 1000
    world.until(None)
    world.settle()
    assert world.running == {OWN: [image] * 4}


@pytest.mark.parametrize("phase", ["Checking", "Switched"])
@pytest.mark.parametrize("comes_back", [True, False])
def test_pods_that_vanish_without_a_fault_have_the_time_of_a_start(phase: str, comes_back: bool) -> None:
    """A node was drained."""
    fields: dict[str, Any] = {"startup": {"timeoutSeconds": 20}}
    world = RolloutWorld.at_rest(service(**fields))
    world.change(service("v2", **fields))
    world.until(phase)
    world.step()
    world.capacity = 0  # until it is noticed
    world.late = {CANDIDATE}
    world.running[CANDIDATE] = ["v2?", "v2?"]
    world.tick()
    world.step()
    world.capacity = 2
    assert (world.phase, world.serving()) == ("Starting", ["v1", "v1"])
    begun = world.now
    if not comes_back:
        world.until("Aborted")
        assert world.rollout is not None
        assert world.rollout.reason == "NotReady"
        assert (world.now - begun).total_seconds() >= 20
        return
    world.late = set()
    world.running[CANDIDATE] = ["v2", "v2"]
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


def test_an_update_without_room_for_another_pod_makes_way_for_itself() -> None:
    world = at_rest()
    world.room = 4
    world.change(service("v2"))
    world.until("Promoting")
    while world.phase == "Promoting":
        world.tick()
        world.step()
    assert world.rollout is None, "nothing is left to be changed"
    world.settle()
    assert_rolled_out(world, "v2", "v1")
    assert not workload_view(world.workload("generation")).makes_way


def test_an_update_makes_no_way_where_there_is_room() -> None:
    """Its pods are the way back."""
    world = at_rest()
    world.change(service("v2"))
    world.until("Promoting")
    while world.phase == "Promoting":
        world.tick()
        world.step()
        assert not workload_view(world.workload("generation")).makes_way
        assert len(world.running[OWN]) >= 2


def test_a_candidate_that_takes_the_room_of_its_successor_goes() -> None:
    """A node is lost: of both workloads one pod is left, and no room."""
    world = at_rest()
    world.change(service("v2"))
    world.until("Promoting")
    world.step()
    world.capacity, world.room = 1, 2
    world.running = {OWN: ["v2"], CANDIDATE: ["v2"]}
    world.until(None)
    world.settle()
    assert_rolled_out(world, "v2", "v1")


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


def test_a_version_that_mends_an_unhealthy_service_has_time_for_its_first_pod() -> None:
    world = at_rest()
    world.capacity = 0
    world.broken = {"v1"}
    for _ in range(100):
        world.tick()
        world.step()
    assert world.service("generation").health.state is HealthState.UNHEALTHY
    world.change(service("v2"))
    world.step()
    world.step()
    assert world.rollout is not None
    assert (world.phase, world.rollout.reason) == ("Starting", None)


def test_what_ails_the_old_pods_does_not_keep_a_new_version_from_starting() -> None:
    world = RolloutWorld.at_rest(generation("v1"))
    world.capacity = 0
    world.broken = {"v1"}
    world.tick()
    world.step()
    world.change(generation("v2"))
    world.step()
    assert world.rollout is not None
    assert (world.phase, world.rollout.reason) == ("Updating", None)
    world.broken = {"v1", "v2"}
    for _ in range(3):
        world.tick()
        world.step()
    assert world.rollout.reason == "CrashLoop"


def test_an_update_to_the_same_version_that_takes_too_long_is_told() -> None:
    """Such as that of a new operator, which builds pods otherwise."""
    fields: dict[str, Any] = {"startup": {"timeoutSeconds": 20}}
    world = RolloutWorld.at_rest(service(**fields))
    world.change(service(**fields), imagePullSecrets=[{"name": "new"}])
    own = world.workload("generation")
    world.step()
    own = world.workload("generation")
    own["status"] = {
        **own["status"],
        "observedGeneration": own["metadata"]["generation"],
        "updatedReplicas": 1,
    }
    plan = world.step()
    assert world.rollout is not None
    assert (world.phase, world.rollout.reason) == ("Updating", None)
    assert plan.wake_at is not None
    assert plan.wake_at <= world.now + timedelta(seconds=20)
    world.step(seconds=20)
    world.step()
    assert world.rollout.reason == "NotReady"
    assert world.condition("Degraded") == ("True", "RolloutStuck")
