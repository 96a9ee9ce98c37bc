"""What holds of every decision, in every mode, whatever the metrics are."""

import math
from collections.abc import Sequence
from itertools import cycle, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.scaling.running import Run, every_mode, examples, experienced, policy

from ragops.api.autoscaling import AutoscalingSpec, MetricType, ScalingMode
from ragops.api.status import ScalingAction
from ragops.scaling.decision import Decision, Replicas
from ragops.scaling.record import DecisionEntry, encode

ALL = [{"type": metric} for metric in MetricType]
modes = pytest.mark.parametrize(
    "by", every_mode(maxReplicas=8, minReplicas=2, metrics=ALL), ids=lambda by: by.mode
)

impossible = st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 1e300])
values = st.one_of(
    st.none(), impossible, st.floats(0, 300), st.floats(0, 1e15), st.sampled_from([0.0, 5e-324, 1e-9, 1e15])
)
pods = st.lists(values, min_size=1, max_size=5)
ticks = st.fixed_dictionaries(
    {
        "seconds": st.sampled_from([0.1, 1, 5, 5, 5, 5, 16, 40, 1000, -1, -20, -100_000]),
        "metrics": st.dictionaries(st.sampled_from(MetricType), pods, max_size=5),
        "arrivals": st.none() | pods,
        "unready": st.integers(0, 4),
        "by_hand": st.none() | st.integers(0, 12),
    }
)


def spread(over: int, given: Sequence[float | None]) -> list[float | None]:
    """So many values, of these in turn."""
    return list(islice(cycle(given), over))


def check(decision: Decision, run: Run, before: int) -> None:
    """It is within the bounds, says what it does, and can be written down, which no NaN can."""
    assert run.policy.min_replicas <= decision.desired <= run.policy.max_replicas
    change = {1: ScalingAction.UP, 0: ScalingAction.HOLD, -1: ScalingAction.DOWN}
    assert decision.action is change[(decision.desired > before) - (decision.desired < before)]
    entry = DecisionEntry(run.now, "n", "r", "s", Replicas(before, run.pods), run.state, decision)
    assert encode(entry)


@modes
@given(known=st.booleans(), course=st.lists(ticks, max_size=25))
@examples(60)
def test_any_metrics_at_any_time(by: AutoscalingSpec, known: bool, course: list[dict]) -> None:
    run = Run(by, replicas=3)
    if known:
        experienced(run)
    for tick in course:
        run.replicas = run.replicas if tick["by_hand"] is None else tick["by_hand"]
        run.ready = max(run.replicas - tick["unready"], 0)
        before, ready = run.replicas, run.ready
        metrics = {metric: spread(ready, given) for metric, given in tick["metrics"].items()}
        arrivals = None if tick["arrivals"] is None else spread(ready, tick["arrivals"])
        check(run.measure(metrics, arrivals, tick["seconds"]), run, before)


@modes
@pytest.mark.parametrize("metric", MetricType)
@given(absurd=values, count=st.integers(3, 7))
@examples(20)
def test_one_bad_pod_of_three_never_scales_up(
    by: AutoscalingSpec, metric: MetricType, absurd: float | None, count: int
) -> None:
    usual = {
        MetricType.CPU: 50.0,
        MetricType.MEMORY: 60.0,
        MetricType.RESPONSE_TIME: 800.0,
        MetricType.QUEUE_DEPTH: 0.0,
        MetricType.ERROR_RATE: 0.0,
    }
    run = experienced(Run(by, replicas=count), load=5.0 * count)
    for _ in range(6):
        metrics = {kind: [value] * run.replicas for kind, value in usual.items()}
        metrics[metric][0] = absurd
        decision = run.measure(metrics, [5.0 * count / run.replicas] * run.replicas)
        assert decision.action is not ScalingAction.UP, decision.message


@given(absurd=values, count=st.integers(3, 7))
@examples(30)
def test_one_pod_that_counts_absurd_requests_never_scales_up(absurd: float | None, count: int) -> None:
    by = policy(mode="Predictive", maxReplicas=20)
    run = experienced(Run(by, replicas=count + 4), load=5.0 * count)
    absurd = absurd if absurd is None or absurd > 1e6 or not absurd >= 0 else 1e6
    for _ in range(6):
        each = 5.0 * count / run.replicas
        cpu = [10 * each] * run.replicas
        decision = run.measure({MetricType.CPU: cpu}, [absurd] + [each] * (run.replicas - 1))
        assert decision.action is not ScalingAction.UP, decision.message


@pytest.mark.parametrize("by", every_mode(maxReplicas=20), ids=lambda by: by.mode)
@given(absurd=values, count=st.integers(3, 7))
@examples(20)
def test_one_bad_pod_does_not_keep_the_others_from_scaling_up(
    by: AutoscalingSpec, absurd: float | None, count: int
) -> None:
    """Three times the target in all pods but one, from no more requests than before."""
    run = experienced(Run(by, replicas=count), load=5.0 * count)
    for _ in range(12):
        others = run.replicas - 1
        run.measure({MetricType.CPU: [absurd] + [210.0] * others}, [absurd] + [5.0] * others)
    assert run.replicas > count


@pytest.mark.parametrize(
    "by",
    [p for p in every_mode(maxReplicas=9) if p.mode is not ScalingMode.PREDICTIVE],
    ids=lambda by: by.mode,
)
@given(
    lower=st.lists(st.floats(0, 300), min_size=1, max_size=6),
    more=st.lists(st.floats(0, 300), min_size=6, max_size=6),
    unready=st.integers(0, 3),
    calm_for=st.sampled_from([None, 30, 100]),
)
@examples(150)
def test_a_higher_metric_never_gives_fewer_replicas(
    by: AutoscalingSpec, lower: list[float], more: list[float], unready: int, calm_for: int | None
) -> None:
    def desired(cpu: list[float]) -> int:
        run = Run(by, replicas=len(cpu) + unready, ready=len(cpu))
        if calm_for:
            for _ in range(calm_for // 5):
                run.sample(*[15.0] * len(cpu))
                run.replicas = len(cpu) + unready
        return run.sample(*cpu).desired

    assert desired(lower) <= desired([a + b for a, b in zip(lower, more, strict=False)])


def test_a_higher_expected_load_never_gives_fewer_replicas() -> None:
    """From none to more than the largest number of replicas can carry."""
    by = policy(mode="Predictive", maxReplicas=12, stabilitySeconds=0, cooldownSeconds=0)
    desired = []
    for load in (0.0, 3.0, 7.0, 14.0, 20.0, 30.0, 33.0, 42.0, 60.0, 90.0, 150.0, 1000.0):
        run = experienced(Run(by, replicas=6), load=40.0)
        for _ in range(20):
            decision = run.measure(
                {MetricType.CPU: [50.0] * run.replicas}, [load / run.replicas] * run.replicas
            )
        desired.append(decision.desired)
    assert desired == sorted(desired)
    assert desired[0] < desired[-1] == 12
