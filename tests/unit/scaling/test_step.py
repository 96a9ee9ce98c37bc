"""The Step policy, over samples and time."""

import math
from datetime import timedelta

import pytest
from tests.unit.scaling.running import START, Run, policy

from ragops.api.autoscaling import MetricType
from ragops.api.status import ScalingAction
from ragops.scaling.decide import decide
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState
from ragops.scaling.window import Sample, Window, reading


def test_one_step_up_on_a_breach() -> None:
    run = Run(policy())
    decision = run.sample(90)
    assert (decision.desired, decision.action, decision.reason) == (
        2,
        ScalingAction.UP,
        ScalingReason.ABOVE_THRESHOLD,
    )
    assert "CPU 90.0 is above 70" in decision.message


def test_no_further_step_up_while_pods_are_pending_or_cooling_down() -> None:
    run = Run(policy(), replicas=2, ready=1)
    assert run.sample(90).reason is ScalingReason.PODS_PENDING
    run.ready = None
    assert run.sample(90, 90).action is ScalingAction.UP
    assert run.sample(90, 90, 90).reason is ScalingReason.COOLING_DOWN
    for _ in range(10):
        run.sample(90, 90, 90)
    assert run.sample(90, 90, 90).action is ScalingAction.UP


def test_down_only_after_the_whole_window() -> None:
    run = Run(policy(), replicas=3)
    assert run.sample(10, 10, 10).reason is ScalingReason.STABILIZING
    for _ in range(11):
        assert run.sample(10, 10, 10).action is ScalingAction.HOLD
    decision = run.sample(10, 10, 10)
    assert (decision.desired, decision.reason) == (2, ScalingReason.BELOW_THRESHOLDS)
    # The next step needs a window of its own, and the cooldown.
    assert run.sample(10, 10).reason is ScalingReason.STABILIZING


def test_one_loud_sample_starts_the_window_anew() -> None:
    run = Run(policy(), replicas=2)
    for _ in range(11):
        run.sample(10, 10)
    run.sample(50, 50)
    for _ in range(12):
        assert run.sample(10, 10).action is ScalingAction.HOLD
    assert run.sample(10, 10).action is ScalingAction.DOWN


def test_the_cooldown_gates_the_way_down() -> None:
    run = Run(policy(cooldownSeconds=600), replicas=2)
    run.state = ScalingState(last_scale_time=START)
    for _ in range(30):
        assert run.sample(10, 10).action is ScalingAction.HOLD
    assert run.sample(10, 10).reason is ScalingReason.COOLING_DOWN


def test_a_gap_in_the_samples_is_not_stability() -> None:
    run = Run(policy(), replicas=2)
    for _ in range(6):
        run.sample(10, 10)
    assert run.wait(40).stable_since is None
    for _ in range(12):
        assert run.sample(10, 10).action is ScalingAction.HOLD
    assert run.sample(10, 10).action is ScalingAction.DOWN


def test_a_gap_is_seen_even_if_nobody_decided_during_it() -> None:
    run = Run(policy(), replicas=2)
    for _ in range(6):
        run.sample(10, 10)
    run.sample(10, 10, seconds=40)
    assert run.state.stable_since == run.now


def test_stability_holds_long_after_a_takeover() -> None:
    run = Run(policy(stabilitySeconds=600), replicas=2)
    run.window = Window(seen_until=START)
    for _ in range(100):
        run.sample(10, 10)
    assert run.state.stable_since == START + timedelta(seconds=5)


def test_missing_metrics_change_nothing() -> None:
    run = Run(policy(), replicas=3)
    for _ in range(40):
        decision = run.sample(None, None, None)
        assert decision.action is ScalingAction.HOLD
    assert decision.reason is ScalingReason.METRICS_MISSING


def test_partial_metrics_never_scale_down() -> None:
    run = Run(policy(), replicas=3)
    for _ in range(40):
        decision = run.sample(5, 5, None)
        assert decision.action is ScalingAction.HOLD
    assert decision.reason is ScalingReason.METRICS_PARTIAL


def test_a_ripe_window_does_not_scale_down_on_partial_data() -> None:
    run = Run(policy(), replicas=2)
    for _ in range(12):
        run.sample(10, 10)
    assert run.sample(10, None).reason is ScalingReason.METRICS_PARTIAL
    assert (
        run.sample(100, None).action is ScalingAction.HOLD
    )  # its one measured pod is loud: the calm is over
    assert run.sample(10, 10).reason is ScalingReason.STABILIZING


def test_one_pod_that_never_gets_ready_does_not_block_the_way_up() -> None:
    run = Run(policy(maxReplicas=9), replicas=4, ready=3)
    assert run.sample(90, 90, 90).reason is ScalingReason.PODS_PENDING  # 270 over 4 pods is enough
    assert run.sample(100, 100, 100).desired == 5


def test_at_the_minimum_a_wobbling_load_changes_nothing_in_status() -> None:
    run = Run(policy())
    decisions = [run.sample(cpu) for cpu in (10, 50, 10, 60, 29)]
    assert {(d.reason, d.stable_since) for d in decisions} == {(ScalingReason.AT_MINIMUM, None)}


def test_the_end_of_the_cooldown_is_told_until_it_is_over() -> None:
    run = Run(policy())
    acted_at = run.now + timedelta(seconds=5)
    run.sample(90)
    assert run.sample(50, 50).cooldown_until == acted_at + timedelta(seconds=60)
    for _ in range(12):
        last = run.sample(50, 50)
    assert last.cooldown_until is None


def test_missing_pods_count_as_idle_on_the_way_up() -> None:
    run = Run(policy(), replicas=3)
    assert run.sample(100, None, None).action is ScalingAction.HOLD
    assert run.sample(150, 90, None).action is ScalingAction.UP


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -5.0])
def test_impossible_values_are_missing_ones(bad: float) -> None:
    run = Run(policy(), replicas=1)
    assert run.sample(bad).reason is ScalingReason.METRICS_MISSING


def test_bounds_win() -> None:
    assert Run(policy(minReplicas=3)).sample(50).desired == 3
    assert Run(policy(), replicas=9).sample(*[90] * 9).desired == 5
    assert Run(policy(), replicas=5).sample(*[90] * 5).reason is ScalingReason.AT_MAXIMUM
    assert Run(policy()).sample(1).reason is ScalingReason.AT_MINIMUM


def test_all_metrics_must_be_low_but_any_may_scale_up() -> None:
    both = policy(metrics=[{"type": "CPU"}, {"type": "Memory"}])

    def judge(cpu: float, memory: float) -> Decision:
        sample = Sample(START, {MetricType.CPU: reading([cpu]), MetricType.MEMORY: reading([memory])})
        return decide(both, Replicas(2, 1), Window((sample,)), ScalingState(), START)

    assert judge(10, 90).reason is ScalingReason.PODS_PENDING
    assert judge(10, 60).reason is ScalingReason.WITHIN_THRESHOLDS
    assert judge(10, 10).reason is ScalingReason.STABILIZING


def test_a_restart_keeps_the_window_when_the_gap_is_small() -> None:
    run = Run(policy(), replicas=2)
    for _ in range(10):
        run.sample(10, 10)
    run.window = Window(seen_until=run.now)  # a new process: no samples, but the state from status
    for _ in range(2):
        assert run.sample(10, 10).action is ScalingAction.HOLD
    assert run.sample(10, 10).action is ScalingAction.DOWN


def test_a_process_whose_clock_was_ahead_says_nothing_of_the_time_since() -> None:
    run = Run(policy(), replicas=2)
    run.state = ScalingState(stable_since=START - timedelta(seconds=600))
    run.window = Window(seen_until=START + timedelta(seconds=100))
    assert run.sample(10, 10).reason is ScalingReason.STABILIZING


def test_a_restart_after_a_long_gap_starts_the_window_anew() -> None:
    run = Run(policy(), replicas=2)
    for _ in range(10):
        run.sample(10, 10)
    run.window = Window(seen_until=run.now)
    run.now += timedelta(seconds=100)
    assert run.sample(10, 10).reason is ScalingReason.STABILIZING
    assert run.state.stable_since == run.now
