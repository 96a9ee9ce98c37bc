"""Mode Predictive: what a replica is worth, and what overrules the forecast."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scaling.running import Run, examples, experienced, policy

from ragops.api.autoscaling import AutoscalingSpec, MetricType
from ragops.api.status import ScalingAction
from ragops.scaling.decision import Decision, ScalingReason
from ragops.scaling.forecast import Distribution
from ragops.scaling.predictive import STEADINESS, _draining, _spread, _utilisation, _worthwhile

ALL = [{"type": metric} for metric in MetricType]


def by(**fields: object) -> AutoscalingSpec:
    return policy(**{"mode": "Predictive", "maxReplicas": 20, **fields})


def of(*loads: tuple[float, float]) -> Distribution:
    """Loads with their probabilities."""
    return Distribution(np.array([load for load, _ in loads]), np.array([weight for _, weight in loads]))


@pytest.mark.parametrize(
    ("percent", "worth", "replicas"),
    [
        (3.7, 1.0, 3),
        (3.8, 1.0, 1),
        (3.7 / STEADINESS, 1 / STEADINESS, 3),
        (3.8 / STEADINESS, 1 / STEADINESS, 1),
        (3.7 * STEADINESS, STEADINESS, 3),
        (3.8 * STEADINESS, STEADINESS, 1),
    ],
)
def test_a_replica_must_be_worth_its_price(percent: float, worth: float, replicas: int) -> None:
    """One time in ten three replicas are needed in place of one, and 30 requests/s are late without them: 3
    on average. At 3.75 % a replica costs as much as 0.0375 x 4 x 10 = 1.5 of them, so two cost the same."""
    expected = of((10.0, 0.9), (30.0, 0.1))
    assert _worthwhile(expected, 10.0, by(targetViolationPercent=percent), worth) == replicas


@pytest.mark.parametrize(
    ("load", "replicas"), [(0, 2), (1, 2), (20, 2), (20.1, 3), (60, 6), (80, 8), (9999, 8)]
)
def test_a_certain_load_gets_what_carries_it_within_the_bounds(load: float, replicas: int) -> None:
    assert _worthwhile(of((load, 1.0)), 10.0, by(minReplicas=2, maxReplicas=8), 1.0) == replicas


def test_what_is_there_is_left_alone_within_a_range() -> None:
    """By the same forecast more would be ordered with fewer, and some removed with more."""
    ends = []
    for replicas in (5, 20):
        run = experienced(Run(by(stabilitySeconds=0, cooldownSeconds=0, rateUp={"replicas": 20}), replicas))
        ends.append(run.serve(40.0).desired)
    assert 6 <= ends[0] < ends[1] < 20
    for replicas in range(ends[0], ends[1] + 1):
        assert experienced(Run(by(stabilitySeconds=0), replicas)).serve(40.0).action is ScalingAction.HOLD


@given(
    loads=st.lists(st.tuples(st.floats(0, 300), st.floats(0.01, 1)), min_size=1, max_size=8),
    percents=st.tuples(st.floats(0.01, 20), st.floats(0.01, 20)),
)
@examples(200)
def test_fewer_late_requests_never_cost_fewer_replicas(
    loads: list[tuple[float, float]], percents: tuple[float, float]
) -> None:
    total = sum(weight for _, weight in loads)
    expected = of(*((load, weight / total) for load, weight in loads))
    strict, lax = sorted(percents)
    assert _worthwhile(expected, 7.0, by(targetViolationPercent=strict), 1.0) >= _worthwhile(
        expected, 7.0, by(targetViolationPercent=lax), 1.0
    )


@given(loads=st.lists(st.floats(0, 300), min_size=1, max_size=6), variance=st.floats(0, 0.3))
@examples(100)
def test_the_load_of_a_moment_has_the_mean_and_the_variance_of_the_sample(
    loads: list[float], variance: float
) -> None:
    expected = of(*((load, 1 / len(loads)) for load in loads))
    spread = _spread(expected, variance)
    second = expected.loads**2 @ expected.weights
    assert spread.weights.sum() == pytest.approx(1)
    assert spread.loads @ spread.weights == pytest.approx(expected.loads @ expected.weights)
    assert spread.loads**2 @ spread.weights == pytest.approx(second * (1 + variance))


@pytest.mark.parametrize(
    ("seconds", "target", "utilisation"),
    [(0.2, 2000, 0.9), (0.01, 2000, 0.95), (1.9, 2000, 0.3), (None, 2000, 0.6)],
)
def test_the_utilisation_is_that_at_which_answers_take_the_target(
    seconds: float | None, target: int, utilisation: float
) -> None:
    metrics = [{"type": "CPU", "upAbove": 60}, {"type": "ResponseTime", "upAbove": target}]
    assert _utilisation(by(metrics=metrics), seconds) == pytest.approx(utilisation)
    assert _utilisation(by(metrics=metrics[:1]), seconds) == pytest.approx(0.6)


def test_a_backlog_is_drained_at_the_least_cost() -> None:
    """By brute force over the replicas: their time, and the requests until the backlog is gone."""
    rule, behind, load, full, start = by(sampleSeconds=15), 900.0, 42.0, 10.0, 30.0
    price = 4 * 0.01 * full

    def cost(count: int) -> float:
        return count * (start + 15) + load * behind / (count * full - load) / price

    best = min(range(5, 21), key=cost)
    assert abs(_draining(behind, load, full, rule, start) - best) <= 1
    assert _draining(1e9, load, full, rule, start) == 20


def high(run: Run, seconds: float, **metrics: float) -> list[Decision]:
    """The load that it knows, while a metric is above its target."""
    return [run.serve(40.0, **metrics) for _ in range(round(seconds / 5))]


@pytest.mark.parametrize("metric", ["ResponseTime", "ErrorRate", "CPU"])
def test_a_metric_that_stays_above_its_target_asks_for_a_step(metric: str) -> None:
    """CPU where there is no response time; else the response time says how busy a replica may be."""
    run = experienced(Run(by(metrics=[{"type": metric}], step=2, maxReplicas=40), replicas=30))
    run.serve(40.0)
    value = {"ResponseTime": 9000.0, "ErrorRate": 30.0, "CPU": 90.0}[metric]
    decisions = high(run, 20, **{metric: value})
    assert [d.desired for d in decisions] == [30, 30, 32, 32]
    limit = decisions[2].inputs[0].up_above
    assert decisions[2].message == f"{metric} {value} is above {limit} in spite of the forecast"


def test_cpu_above_its_target_is_no_trouble_where_answers_come_in_time() -> None:
    run = experienced(Run(by(metrics=[{"type": "CPU"}, {"type": "ResponseTime"}]), replicas=12))
    assert {d.action for d in high(run, 60, CPU=85.0, ResponseTime=300.0)} == {ScalingAction.HOLD}


def test_what_was_ordered_is_waited_for() -> None:
    """A start-up time of 30 s and a gap of 15 after the last action; and as long as pods are pending."""
    run = experienced(Run(by(metrics=[{"type": "ErrorRate"}]), replicas=15))
    high(run, 15, ErrorRate=30.0)
    assert run.replicas == 16
    assert {d.action for d in high(run, 40, ErrorRate=30.0)} == {ScalingAction.HOLD}
    run.ready = 15
    assert {d.action for d in high(run, 10, ErrorRate=30.0)} == {ScalingAction.HOLD}
    run.ready = None
    assert high(run, 5, ErrorRate=30.0)[-1].desired == 17


def test_memory_asks_for_replicas_as_in_proportional() -> None:
    run = experienced(Run(by(metrics=[{"type": "CPU"}, {"type": "Memory"}]), replicas=8))
    decision = run.serve(40.0, Memory=140.0)
    assert (decision.desired, decision.reason) == (14, ScalingReason.ABOVE_TARGET)
    assert decision.message == "Memory 140.0 at a target of 80 asks for 14"


def partial(run: Run) -> Decision:
    """A sample of the load that it knows, with one pod whose CPU is missing."""
    each = 40.0 / run.replicas
    cpu = [None, *[10 * each] * (run.replicas - 1)]
    return run.measure({MetricType.CPU: cpu}, [each] * run.replicas)


def test_a_ripe_window_does_not_scale_down_on_partial_data() -> None:
    run = experienced(Run(by(), replicas=18))
    for _ in range(12):
        run.serve(40.0)
    assert partial(run).reason is ScalingReason.STABILIZING
    assert run.serve(40.0).action is ScalingAction.DOWN


def test_partial_samples_are_no_part_of_a_stability_window() -> None:
    run = experienced(Run(by(), replicas=18))
    run.serve(40.0)
    for _ in range(14):
        assert partial(run).action is ScalingAction.HOLD
    for _ in range(12):
        assert run.serve(40.0).action is ScalingAction.HOLD
    assert run.serve(40.0).action is ScalingAction.DOWN


def test_without_arrivals_metrics_may_add_replicas_and_nothing_removes_them() -> None:
    run = experienced(Run(by(), replicas=8))
    for _ in range(30):
        decision = run.sample(*[5.0] * 8)
        assert decision.action is ScalingAction.HOLD
    assert decision.reason is ScalingReason.METRICS_MISSING
    assert decision.forecast is None
    assert run.sample(*[100.0] * 8).action is ScalingAction.UP


def test_a_service_that_has_learned_nothing_is_proportional() -> None:
    run = Run(by(), replicas=4)
    assert run.sample(*[105.0] * 4).reason is ScalingReason.ABOVE_TARGET


def test_until_it_knows_replicas_go_at_the_pace_of_proportional() -> None:
    """Head-room may have been ordered by a process that knew more."""
    run = Run(by(stabilitySeconds=15, cooldownSeconds=0), replicas=9)
    for _ in range(60):
        assert run.sample(*[10.0] * 9).action is ScalingAction.HOLD
    assert run.sample(*[10.0] * 9).action is ScalingAction.DOWN


def test_status_tells_the_forecast() -> None:
    run = experienced(Run(by(), replicas=8))
    decision = run.serve(40.0)
    assert decision.forecast is not None
    assert decision.forecast.requests_per_second == pytest.approx(40, rel=0.1)
    assert decision.forecast.requests_per_second_per_replica == pytest.approx(7, rel=0.02)
    assert decision.forecast.seconds_ahead == 35
    assert decision.forecast.capacity_error_percent == 0.0
