"""Scaling while pods of a version that is tried share the load: they are measured too, and will go."""

import pytest
from tests.unit.scaling.running import START, policy

from ragops.api.autoscaling import MetricType
from ragops.api.status import ScalingAction
from ragops.scaling.decide import decide
from ragops.scaling.decision import Decision, Replicas, ScalingReason, ScalingState
from ragops.scaling.window import Sample, Window, reading

LIMITS = {"CPU": 70, "Memory": 70, "ResponseTime": 70, "QueueDepth": 70}


def decided(
    value: float, metric: str = "CPU", beside: int = 9, mode: str = "Proportional", stability: int = 0
) -> Decision:
    """Ten pods of its own, at a target of 70."""
    metrics = [{"type": metric, "upAbove": LIMITS[metric]}]
    rate = {"replicas": 100}
    by = policy(mode=mode, metrics=metrics, maxReplicas=60, rateUp=rate, stabilitySeconds=stability)
    values = reading([value] * (10 + beside))
    window = Window((Sample(START, {MetricType(metric): values}),))
    return decide(by, Replicas(10, 10, beside), window, ScalingState(), START)


@pytest.mark.parametrize("metric", ["CPU", "QueueDepth"])
def test_what_stays_must_carry_the_load_of_all(metric: str) -> None:
    """19 pods at 76 are 20.6 at 70. By their average alone they would be within the tolerance."""
    decision = decided(76, metric)
    assert (decision.desired, decision.action) == (21, ScalingAction.UP)
    assert decided(76, metric, beside=0).action is ScalingAction.HOLD


@pytest.mark.parametrize("metric", ["Memory", "ResponseTime"])
def test_what_each_pod_has_by_itself_does_not_fall_to_the_others(metric: str) -> None:
    """It would be more with each pod that is added for it."""
    assert decided(65, metric).action is ScalingAction.HOLD
    assert decided(140, metric).desired == 20


@pytest.mark.parametrize("mode", ["Step", "Proportional"])
def test_no_calm_is_remembered_of_that_time(mode: str) -> None:
    """What was low because the load was shared does not count when it is not any more."""
    alone = decided(1, mode=mode, beside=0, stability=60)
    assert (alone.reason, alone.stable_since) == (ScalingReason.STABILIZING, START)
    shared = decided(1, mode=mode, stability=60)
    assert (shared.stable_since, shared.peaks) == (None, ())
    assert shared.message == decided(1, mode=mode).message


@pytest.mark.parametrize("mode", ["Step", "Proportional"])
@pytest.mark.parametrize("value", [0, 1, 20, 35])
def test_nothing_goes_before_them(value: float, mode: str) -> None:
    decision = decided(value, mode=mode)
    assert (decision.desired, decision.action) == (10, ScalingAction.HOLD)
    assert decided(1, mode=mode, beside=0).action is ScalingAction.DOWN
    if value < 20:
        assert decision.reason is ScalingReason.STABILIZING
