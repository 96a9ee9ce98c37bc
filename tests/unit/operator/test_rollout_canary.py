"""Canary: steps, analysis, pauses, promotion, way back."""

from typing import Any

import pytest
from tests.unit.operator.rollout_world import CANDIDATE, OWN, RolloutWorld, generation

from ragops.api.status import RolloutPhase
from ragops.api.traffic import CanaryAnalysisSpec, CanarySpec, CanaryStep
from ragops.cluster.cache import Key, WatchCache
from ragops.controller.observe import compared
from ragops.orchestration.analysis import Comparison, Figures, Verdict, judge
from ragops.orchestration.rollout_canary import both_serve

STEPS = [{"weightPercent": 10, "pauseSeconds": 10}, {"weightPercent": 50, "pauseSeconds": 20}]
GOOD = Figures(requests=100, errors=1, timed=100, busy=10)


def service(
    image: str = "v1", steps: list[dict[str, int]] = STEPS, promotion: str = "Automatic", **fields: Any
) -> list[dict[str, Any]]:
    canary = {"steps": steps, "analysis": {"minRequests": 50}}
    rollout = {"strategy": "Canary", "promotion": promotion, "canary": canary}
    return generation(image, **{"rollout": rollout, "replicas": 4, **fields})


def changed(image: str = "v2", **fields: Any) -> RolloutWorld:
    world = RolloutWorld.at_rest(service(**fields), capacity=4)
    world.change(service(image, **fields))
    return world


def measure(world: RolloutWorld, candidate: Figures = GOOD, stable: Figures = GOOD) -> None:
    """What both versions did in the present step."""
    rollout = world.rollout
    assert rollout is not None
    assert rollout.step is not None
    comparison = Comparison(rollout.revision, rollout.step, stable, candidate)
    world.comparisons = {"generation": comparison}


def assert_rolled_out(world: RolloutWorld) -> None:
    world.settle()
    assert world.running == {OWN: ["v2"] * 4}
    assert world.serving() == ["v2"] * 4
    assert world.versions == ("v2", "v1")
    assert world.condition("Degraded") == ("False", "NoTrouble")


def test_the_way_of_a_good_version() -> None:
    world = changed()
    world.until("Starting")
    assert world.serving() == ["v1"] * 4
    world.until("Shifting")
    assert world.replicas(CANDIDATE) == 1
    assert sorted(world.serving()) == ["v1"] * 4 + ["v2"]
    rollout = world.rollout
    assert rollout is not None
    assert (rollout.step, rollout.weight_percent) == (0, 10)
    assert (
        rollout.message
        == "step 1 of 2: 10 % of the requests, without the gateway only near: 20 %, by ready pods"
    )
    begun = world.now
    measure(world)
    world.until("Starting")
    assert (world.now - begun).total_seconds() >= 10
    world.until("Shifting")
    assert world.replicas(CANDIDATE) == 2
    assert world.rollout is not None
    assert (world.rollout.step, world.rollout.weight_percent) == (1, 50)
    measure(world)
    world.until("Promoting")
    assert_rolled_out(world)


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        (Figures(requests=100, errors=8, timed=100, busy=10), "8.0 % of its requests failed, 1.0 %"),
        (Figures(requests=100, errors=0, timed=100, busy=16), "160 ms, the old version's 100 ms"),
    ],
    ids=["errors", "response time"],
)
@pytest.mark.parametrize("step", [0, 1])
def test_a_bad_version_is_taken_back_at_once(figures: Figures, told: str, step: int) -> None:
    world = changed()
    world.until("Shifting")
    if step:
        measure(world)
        world.until("Starting")
        world.until("Shifting")
    measure(world, figures)
    world.step()
    assert world.phase == "Aborted"
    assert world.serving() == ["v1"] * 4
    rollout = world.rollout
    assert rollout is not None
    assert rollout.reason == "AnalysisFailed"
    assert told in (rollout.message or "")
    world.settle()
    assert world.running == {OWN: ["v1"] * 4}
    assert world.versions == ("v1", None)


def test_too_few_requests_pause_it_until_there_are_more() -> None:
    world = changed()
    world.until("Paused")
    rollout = world.rollout
    assert rollout is not None
    assert (rollout.reason, rollout.step) == ("Inconclusive", 0)
    assert world.condition("Degraded") == ("False", "NoTrouble")
    world.step(seconds=10_000)
    measure(world, candidate=Figures(requests=49, timed=49))
    assert world.step().quiet
    measure(world)
    world.step()
    assert world.rollout is not None
    assert world.rollout.step == 1
    # What was measured in the first step does not count in the second.
    world.until("Paused")
    measure(world)
    world.until("Promoting")
    assert_rolled_out(world)


def test_without_analysis_the_pauses_decide() -> None:
    world = RolloutWorld.at_rest(service(), capacity=4)
    canary = {"steps": STEPS, "analysis": {"minRequests": 0}}
    world.change(service("v2", rollout={"strategy": "Canary", "canary": canary}))
    begun = world.now
    world.until("Promoting")
    assert (world.now - begun).total_seconds() >= 30
    assert_rolled_out(world)


def test_steps_of_nothing_and_of_all_have_nothing_to_compare() -> None:
    world = changed(
        steps=[{"weightPercent": 0, "pauseSeconds": 5}, {"weightPercent": 100, "pauseSeconds": 5}]
    )
    world.until("Shifting")
    assert world.serving() == ["v1"] * 4
    world.until("Starting")
    assert "v2" not in world.serving()
    world.until("Shifting")
    world.step()
    assert world.serving() == ["v2"] * 4
    world.until("Promoting")
    assert_rolled_out(world)


def test_the_end_waits_for_a_person() -> None:
    world = changed(promotion="Manual")
    for _ in STEPS:
        world.until("Shifting")
        measure(world)
        world.until("Starting" if world.rollout and world.rollout.step == 0 else "Paused")
    world.step(seconds=10_000)
    assert world.rollout is not None
    assert (world.phase, world.rollout.reason) == ("Paused", "WaitingForPromotion")
    world.command("generation", f"promote:{world.rollout.revision}")
    world.step()
    assert world.phase == "Promoting"
    assert_rolled_out(world)


def test_promoted_by_a_person_before_its_end() -> None:
    world = changed()
    world.until("Paused")
    assert world.rollout is not None
    world.command("generation", f"promote:{world.rollout.revision}")
    world.step()
    assert world.phase == "Promoting"
    assert_rolled_out(world)


def test_a_command_of_before_does_not_count_again() -> None:
    """The same version comes back later: what was promoted, or aborted, then is judged anew."""
    world = changed()
    world.until("Paused")
    assert world.rollout is not None
    told = f"promote:{world.rollout.revision}"
    world.command("generation", told)
    world.until(None)
    world.settle()
    world.change(service("v1"))
    world.until("Paused")
    measure(world)
    world.until("Starting")
    world.until("Paused")
    measure(world)
    world.until(None)
    world.settle()
    assert world.versions == ("v1", "v2")
    world.change(service("v2"))
    world.until("Paused")
    assert world.rollout is not None
    assert world.rollout.reason == "Inconclusive"
    world.step()
    assert world.phase == "Paused"
    world.command("generation", f"{told}:2")
    world.step()
    assert world.phase == "Promoting"


@pytest.mark.parametrize("phase", ["Starting", "Shifting", "Paused", "Promoting"])
@pytest.mark.parametrize("image", ["v1", "v3", "abort"])
def test_left_on_the_way(phase: str, image: str) -> None:
    world = changed(promotion="Manual")
    if phase == "Promoting":
        world.until("Paused")
        assert world.rollout is not None
        world.command("generation", f"promote:{world.rollout.revision}")
    world.until(phase)
    if image == "abort":
        assert world.rollout is not None
        world.command("generation", f"abort:{world.rollout.revision}")
    else:
        world.change(service(image, promotion="Manual"))
    if image == "v3":
        world.step()
        world.until("Starting")
        world.until("Paused")
        assert world.replicas(CANDIDATE) == 1
        assert sorted(world.serving()) == ["v1"] * 4 + ["v3"]
    else:
        world.settle()
        assert world.running == {OWN: ["v1"] * 4}
        assert world.phase == ("Aborted" if image == "abort" else None)
    assert world.versions == ("v1", None)


def test_a_candidate_that_breaks_is_taken_back() -> None:
    world = changed()
    world.until("Shifting")
    world.broken = {"v2"}
    world.tick()
    world.step()
    assert world.phase == "Aborted"
    assert world.rollout is not None
    assert world.rollout.reason == "CrashLoop"


def test_more_pods_that_are_wanted_hold_a_step() -> None:
    """It does not end without them, and they begin nothing anew."""
    world = changed()
    world.until("Shifting")
    world.step()
    rollout = world.rollout
    assert rollout is not None
    measure(world)
    world.change(service("v2", replicas=40))
    world.step()
    world.step()
    assert world.replicas(CANDIDATE) == 4
    assert world.rollout is not None
    assert (world.phase, world.rollout.since) == ("Shifting", rollout.since)
    world.step(seconds=100)
    world.step()
    assert (world.phase, world.rollout.since) == ("Shifting", rollout.since)
    world.step(seconds=1000)
    world.step()
    assert (world.phase, world.rollout.reason) == ("Shifting", "NotReady")
    assert world.condition("Degraded") == ("True", "RolloutStuck")
    for _ in range(50):
        world.tick()
    world.step()
    assert (world.phase, world.rollout and world.rollout.step) == ("Starting", 1)


def test_a_step_that_loses_a_pod_has_the_time_of_a_start() -> None:
    world = changed(startup={"timeoutSeconds": 20})
    lose_one_in_the_second_step(world)
    begun = world.now
    world.until("Aborted")
    assert world.rollout is not None
    assert world.rollout.reason == "NotReady"
    assert 20 <= (world.now - begun).total_seconds() < 25


def test_a_step_that_misses_a_pod_can_be_promoted() -> None:
    world = changed()
    lose_one_in_the_second_step(world)
    assert world.rollout is not None
    world.command("generation", f"promote:{world.rollout.revision}")
    world.step()
    assert world.phase == "Promoting"
    assert_rolled_out(world)


def in_the_second_step(phase: str, **fields: Any) -> RolloutWorld:
    world = changed(**fields)
    world.until("Shifting")
    measure(world)
    world.until("Starting")
    world.until(phase)
    return world


def lose_one_in_the_second_step(world: RolloutWorld) -> None:
    world.until("Shifting")
    measure(world)
    world.until("Starting")
    world.until("Shifting")
    world.step()
    world.late = {CANDIDATE}
    world.running[CANDIDATE] = ["v2", "v2?"]
    world.tick()
    world.step()
    assert (world.phase, world.rollout and world.rollout.step) == ("Starting", 1)
    assert sorted(world.serving()) == ["v1"] * 4 + ["v2"]


def test_what_breaks_or_fails_while_a_later_step_starts_is_taken_back_at_once() -> None:
    """It has the requests of the step before."""
    for reason in ("CrashLoop", "AnalysisFailed"):
        world = in_the_second_step("Starting")
        assert sorted(world.serving()) == ["v1"] * 4 + ["v2"]
        assert world.rollout is not None
        canaries = compared(WatchCache(), Key("default", "demo"), world.rag, world.rag.status)
        assert [(canary.revision, canary.step) for canary in canaries] == [(world.rollout.revision, 1)]
        if reason == "CrashLoop":
            world.broken = {"v2"}
            world.tick()
        else:
            measure(world, Figures(requests=100, errors=50, timed=100, busy=10))
        world.step()
        assert (world.phase, world.rollout and world.rollout.reason) == ("Aborted", reason)
        assert world.serving() == ["v1"] * 4


@pytest.mark.parametrize(
    ("phase", "step", "both"),
    [
        (RolloutPhase.STARTING, 0, False),
        (RolloutPhase.SHIFTING, 0, False),
        (RolloutPhase.STARTING, 1, False),
        (RolloutPhase.SHIFTING, 1, True),
        (RolloutPhase.PAUSED, 1, True),
        (RolloutPhase.PROMOTING, 1, False),
        (RolloutPhase.STARTING, 2, True),
        (RolloutPhase.SHIFTING, 2, False),
        (RolloutPhase.PAUSED, 7, False),
    ],
)
def test_when_both_versions_can_be_compared(phase: RolloutPhase, step: int, both: bool) -> None:
    steps = [CanaryStep(weight_percent=weight) for weight in (0, 50, 100)]
    assert both_serve(CanarySpec(steps=steps), phase, step) is both


@pytest.mark.parametrize("phase", ["Shifting", "Paused"])
def test_a_service_that_is_set_to_nothing_on_the_way(phase: str) -> None:
    world = changed()
    world.until(phase)
    world.capacity = 0
    world.change(service("v2", replicas=0))
    for _ in range(10):
        world.tick()
        world.step()
    assert world.running == {OWN: [], CANDIDATE: []}
    assert world.rollout is not None
    assert (world.rollout.phase, world.rollout.step) == (RolloutPhase.PAUSED, 0)
    world.change(service("v2"))
    for _ in range(6):
        world.tick()
        world.step()
    assert sorted(world.serving()) == ["v1"] * 4 + ["v2"]


def test_a_version_with_all_requests_keeps_its_size() -> None:
    """Whatever becomes of the idle workload; and that helps out should more be wanted than are there."""
    all_at_once = [{"weightPercent": 100, "pauseSeconds": 1000}]
    world = changed(steps=all_at_once)
    world.until("Shifting")
    world.step()
    world.change(service("v2", steps=all_at_once, replicas=1))
    for _ in range(5):
        world.tick()
        world.step()
    assert world.running == {OWN: ["v1"], CANDIDATE: ["v2"] * 4}
    world.late = {CANDIDATE}
    world.change(service("v2", steps=all_at_once, replicas=6))
    for _ in range(8):
        world.tick()
        world.step()
    assert world.phase == "Shifting"
    assert sorted(world.serving()) == ["v1"] * 6 + ["v2"] * 4


def test_the_strategy_changes_on_the_way() -> None:
    world = changed()
    world.until("Shifting")
    world.change(generation("v2", replicas=4))
    world.step()
    assert world.phase == "Updating"
    assert_rolled_out(world)


def test_killed_after_any_write() -> None:
    def run(killed: tuple[int, int] | None) -> list[int]:
        """Returns the number of writes of each pass."""
        world, writes = changed(), []
        for number in range(60):
            world.tick()
            if world.phase in ("Shifting", "Paused"):
                measure(world)
            todo = world.step(killed_after=killed[1] if killed and killed[0] == number else None)
            writes.append(len(list(world._writes(todo))))
        assert_rolled_out(world)
        return writes

    writes = run(None)
    assert sum(writes) >= 10
    for number, count in enumerate(writes):
        for killed_after in range(count):
            run((number, killed_after))


LIMITS = CanaryAnalysisSpec(
    min_requests=50, max_error_increase_percent=5, max_response_time_increase_percent=50
)


@pytest.mark.parametrize(
    ("stable", "candidate", "verdict"),
    [
        (GOOD, GOOD, Verdict.GOOD),
        (GOOD, Figures(requests=100, errors=6, timed=100, busy=15), Verdict.GOOD),
        (GOOD, Figures(requests=100, errors=6.1, timed=100, busy=15), Verdict.BAD),
        (GOOD, Figures(requests=100, errors=6, timed=100, busy=15.1), Verdict.BAD),
        (Figures(requests=100, errors=90, timed=100, busy=10), Figures(100, 100, 100, 1), Verdict.BAD),
        (GOOD, Figures(requests=49, errors=49, timed=49, busy=99), Verdict.INCONCLUSIVE),
        (Figures(requests=49, timed=49), GOOD, Verdict.INCONCLUSIVE),
        # One measure alone can be bad, never good.
        (GOOD, Figures(requests=100, errors=50), Verdict.BAD),
        (GOOD, Figures(requests=100), Verdict.INCONCLUSIVE),
        (GOOD, Figures(timed=100, busy=1), Verdict.INCONCLUSIVE),
        # More failures than requests are failures of all.
        (GOOD, Figures(requests=50, errors=500, timed=50, busy=1), Verdict.BAD),
        (Figures(), Figures(), Verdict.INCONCLUSIVE),
    ],
)
def test_judgement(stable: Figures, candidate: Figures, verdict: Verdict) -> None:
    assert judge(LIMITS, Comparison("r", 0, stable, candidate)).verdict is verdict


def test_what_was_not_measured_is_not_good() -> None:
    assert judge(LIMITS, None).verdict is Verdict.INCONCLUSIVE
    assert judge(CanaryAnalysisSpec(min_requests=0), None).verdict is Verdict.GOOD
