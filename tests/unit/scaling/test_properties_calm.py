"""When replicas may change, in every mode: never down without a full stability window, never in a cooldown,
whatever the clock and the operator's process do."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scaling.running import START, Run, every_mode, examples, experienced, policy

from ragops.api.autoscaling import AutoscalingSpec, MetricType, ScalingMode
from ragops.api.status import ScalingAction
from ragops.scaling.choice import max_gap
from ragops.scaling.decide import decide, observe
from ragops.scaling.decision import Decision, Replicas, ScalingReason
from ragops.scaling.record import WindowEntry, decode, encode
from ragops.scaling.window import Sample, reading

MODES = every_mode(maxReplicas=9)
modes = pytest.mark.parametrize("by", MODES, ids=lambda by: by.mode)
stateful_modes = pytest.mark.parametrize("by", MODES[:2], ids=lambda by: by.mode)

loads = st.sampled_from([3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 12.0, 40.0, 75.0])
seconds = st.sampled_from([5, 5, 5, 5, 5, 5, 5, 7, 15, 16, 60])


def begun(by: AutoscalingSpec, replicas: int = 7) -> Run:
    return experienced(Run(by, replicas=replicas), load=4.0)


def covered(times: Iterable[datetime], by: AutoscalingSpec, until: datetime) -> timedelta:
    """How far back from `until` the times go, without a gap."""
    begin = until
    for at in sorted(times, reverse=True):
        if begin - at > max_gap(by):
            break
        begin = at
    return until - begin


@modes
@given(course=st.lists(st.tuples(seconds, loads, st.sampled_from("xxxxxxxxxxxxxxx?-")), max_size=60))
@examples(60)
def test_never_down_without_a_full_stability_window(
    by: AutoscalingSpec, course: list[tuple[int, float, str]]
) -> None:
    """Every sample of it is complete but for gaps that do not count, and not before the last action."""
    run, complete = begun(by), list[datetime]()
    for passed, load, kind in course:
        if kind == "x":
            decision = run.serve(load, passed)
            complete.append(run.now)
        else:  # a pod without a value, or none at all
            pods = run.pods - 1
            values = [None, *[10 * load / run.pods] * pods] if kind == "?" else []
            decision = run.measure({MetricType.CPU: values}, [load / run.pods] * run.pods, passed)
        if decision.action is ScalingAction.DOWN:
            assert kind == "x"
            assert covered(complete, by, run.now) >= timedelta(seconds=60)
        if decision.action is not ScalingAction.HOLD:
            complete = [at for at in complete if at == run.now]


@modes
@given(course=st.lists(st.tuples(seconds, loads), min_size=20, max_size=40))
@examples(30)
def test_cooldowns_hold_in_both_directions(by: AutoscalingSpec, course: list[tuple[int, float]]) -> None:
    """A step down waits for cooldownSeconds after any action, a step up for scaleUpCooldownSeconds."""
    by = by.model_copy(update={"stability_seconds": 20, "scale_up_cooldown_seconds": 40})
    run, acted = begun(by), list[tuple[datetime, Decision]]()
    for passed, load in course:
        decision = run.serve(load, passed)
        if decision.action is not ScalingAction.HOLD:
            acted.append((run.now, decision))
    for (before, _), (at, decision) in pairwise(acted):
        if decision.action is ScalingAction.DOWN:
            assert at - before >= timedelta(seconds=60)
        elif decision.reason is not ScalingReason.PANIC:
            assert at - before >= timedelta(seconds=40)


@modes
@given(
    back=st.sampled_from([1, 4, 20, 44, 46, 59, 61, 130, 3600, 200_000]),
    quiet_before=st.integers(1, 30),
    restarted=st.booleans(),
)
@examples(20)
def test_a_clock_that_goes_back_scales_down_neither_early_nor_never(
    by: AutoscalingSpec, back: int, quiet_before: int, restarted: bool
) -> None:
    run, passed, last = begun(by), 0, 0
    for turn in range(75):
        if turn == quiet_before:
            run.now -= timedelta(seconds=back)
            if restarted:
                run.restart()
        decision = run.serve(3.0)
        passed += 5
        if decision.action is ScalingAction.DOWN:
            # Calm was seen for the first time in the first sample.
            assert passed - last >= (65 if last == 0 else 60)
            last = passed
    assert run.replicas < 7


@modes
@given(back=st.sampled_from([1, 20, 44, 46, 61, 130, 3600, 200_000]), before=st.integers(1, 20))
@examples(12)
def test_a_clock_that_goes_back_does_not_keep_from_scaling_up(
    by: AutoscalingSpec, back: int, before: int
) -> None:
    run = begun(by, replicas=2)
    for _ in range(before):
        run.serve(5.0)
    run.now -= timedelta(seconds=back)
    replicas = run.replicas
    for _ in range(36):  # cooldown, and a minute in which a clock may be ahead
        run.serve(60.0)
    assert run.replicas > replicas


@stateful_modes
@given(
    course=st.lists(st.tuples(seconds, loads), min_size=10, max_size=50),
    at=st.integers(0, 49),
    fraction=st.sampled_from([0.0, 0.001, 0.9]),
)
@examples(80)
def test_a_restart_changes_no_decision(
    by: AutoscalingSpec, course: list[tuple[int, float]], at: int, fraction: float
) -> None:
    """The samples are gone, and what is in status is enough."""
    on, anew = begun(by), begun(by)
    for turn, (passed, load) in enumerate(course):
        if turn == at:
            anew.restart()
        for run in (on, anew):
            run.serve(load, passed)
            run.now += timedelta(seconds=fraction)
        assert on.decide() == anew.decide()
        assert on.replicas == anew.replicas
        for run in (on, anew):
            run.now -= timedelta(seconds=fraction)


@given(course=st.lists(st.tuples(seconds, loads), min_size=5, max_size=30), at=st.integers(0, 29))
@examples(20)
def test_what_predictive_has_learned_can_be_carried_over(course: list[tuple[int, float]], at: int) -> None:
    """As the decision log carries it: through its window entry."""
    by = policy(mode="Predictive", maxReplicas=9)
    on, anew = begun(by), begun(by)
    for turn, (passed, load) in enumerate(course):
        if turn == at:
            entry = decode(encode(WindowEntry(anew.now, "n", "r", "s", window=anew.window)))
            assert isinstance(entry, WindowEntry)
            anew.window = entry.window
        assert on.serve(load, passed) == anew.serve(load, passed)


@given(course=st.lists(loads, min_size=12, max_size=20), at=st.integers(1, 11))
@examples(30)
def test_a_restart_without_what_was_learned_removes_nothing_for_a_whole_window(
    course: list[float], at: int
) -> None:
    """A window of mode Proportional: nothing is known yet of the load that head-room was ordered for."""
    by = policy(mode="Predictive", maxReplicas=9, stabilitySeconds=15, sampleSeconds=15, cooldownSeconds=0)
    run = experienced(Run(by, replicas=9), load=4.0)
    for turn, load in enumerate(course):
        if turn == at:
            run.restart()
        decision = run.serve(load, 15)
        learned = run.window.learned
        if learned is not None and learned.forecast is not None and learned.forecast.judged < 4:
            assert decision.action is not ScalingAction.DOWN


@pytest.mark.parametrize("mode", ["Proportional", "Predictive"])
@pytest.mark.parametrize("ready", range(1, 5))
def test_a_pending_batch_is_not_ordered_twice(mode: str, ready: int) -> None:
    """Nothing changes until the pods that were ordered are ready."""
    run = experienced(Run(policy(mode=mode, maxReplicas=30), replicas=ready, ready=ready))
    cpu, each = [400.0 / ready] * ready, [40.0 / ready] * ready
    ordered = run.measure({MetricType.CPU: cpu}, each).desired
    assert ordered > ready
    for _ in range(10):
        assert run.measure({MetricType.CPU: cpu}, each).action is ScalingAction.HOLD


@modes
def test_pods_that_are_pending_are_no_reason_for_fewer(by: AutoscalingSpec) -> None:
    """Two of eight are ready and busy: three would do, and what was ordered is there for more than that."""
    decision = Run(by, replicas=8, ready=2).sample(100.0, 100.0)
    assert decision.action is ScalingAction.HOLD
    assert decision.stable_since is None


def test_errors_order_nothing_while_pods_are_pending() -> None:
    for mode in ScalingMode.PROPORTIONAL, ScalingMode.STEP:
        run = Run(policy(mode=mode, metrics=[{"type": "ErrorRate"}], maxReplicas=9), ready=1)
        for _ in range(8):
            run.measure({MetricType.ERROR_RATE: [50.0]})
        assert run.replicas == 2


@modes
def test_pods_that_are_on_their_way_out_are_no_demand(by: AutoscalingSpec) -> None:
    """More are ready than wanted: their low values must not go below what is asked for by those that stay."""
    run = Run(by, replicas=3, ready=6)
    assert run.sample(*[60.0] * 6).action is ScalingAction.HOLD


def test_what_a_person_took_away_is_not_brought_back_as_a_step_down() -> None:
    """Six were asked for, within the window, when there were nine; now there are four, and two are enough."""
    run = Run(policy(mode="Proportional", maxReplicas=9, cooldownSeconds=0), replicas=9)
    for _ in range(8):
        run.sample(*[45.0] * 9)
    assert run.state.peaks[-1].desired == 6
    for _ in range(4):
        run.sample(*[15.0] * 9)
    run.replicas = 4
    for _ in range(20):
        decision = run.sample(*[20.0] * run.replicas)
        assert decision.action is not ScalingAction.UP
    assert run.replicas == 2


@modes
@pytest.mark.parametrize(("age", "action"), [(15, ScalingAction.UP), (16, ScalingAction.HOLD)])
def test_an_old_sample_says_nothing_about_now(by: AutoscalingSpec, age: int, action: ScalingAction) -> None:
    run = begun(by, replicas=2)
    high = Sample(START + timedelta(seconds=5), {MetricType.CPU: reading([150.0] * 2)}, reading([30.0] * 2))
    run.window = observe(by, run.window, high)
    assert run.wait(5 + age).action is action


def test_a_decision_before_the_first_sample_changes_nothing() -> None:
    for by in MODES:
        run = begun(by, replicas=4)
        run.restart()
        decision = decide(by, Replicas(4, 4), run.window, run.state, START + timedelta(hours=1))
        assert decision.action is ScalingAction.HOLD


def test_errors_wait_for_their_step_to_show_and_other_metrics_do_not_wait_for_errors() -> None:
    both = policy(
        mode="Proportional", metrics=[{"type": "CPU"}, {"type": "ErrorRate"}], step=2, maxReplicas=9
    )
    run = Run(both, replicas=2)
    errors = {MetricType.CPU: [50.0] * 2, MetricType.ERROR_RATE: [50.0] * 2}
    assert run.measure(errors).desired == 4
    for _ in range(2):
        errors = {metric: values[:1] * 4 for metric, values in errors.items()}
        assert run.measure(errors).desired == 4
    assert run.measure({**errors, MetricType.CPU: [80.0] * 4}).desired == 5
