"""The built-in policies against the reference figures of the workload model, which another implementation
gave: violations in per cent, pod-hours over those of the oracle. They agree within 0.2 points and 2 %."""

from pathlib import Path

import pytest

from ragops.scaling.simulation import catalog
from ragops.scaling.simulation.figures import Figures, evaluate
from ragops.scaling.simulation.model import simulate
from ragops.scaling.simulation.parameters import Parameters
from ragops.scaling.simulation.trace import Trace, read_trace

TRACES = Path(__file__).parents[2] / "data/traces"
SPEEDUP = {"azure-llm-conv": 1, "nab-elb": 10, "servegen-m-large": 10}
PARAMETERS = Parameters(max_replicas=20)
REFERENCE = [
    ("azure-llm-conv", "hpa", 7.16, 1.21),
    ("azure-llm-conv", "kpa", 0.34, 1.98),
    ("azure-llm-conv", "keda", 19.16, 2.26),
    ("azure-llm-conv", "step", 47.22, 0.96),
    ("azure-llm-conv", "fixed:12", 0, 1.52),
    ("nab-elb", "hpa", 11.35, 1.86),
    ("nab-elb", "kpa", 20.53, 5.28),
    ("nab-elb", "keda", 22.35, 6.15),
    ("nab-elb", "step", 4.32, 2.28),
    ("nab-elb", "fixed:12", 0, 6.01),
    ("servegen-m-large", "hpa", 1.15, 1.32),
    ("servegen-m-large", "kpa", 0.08, 2.04),
    ("servegen-m-large", "keda", 17.23, 4.16),
    ("servegen-m-large", "step", 0.59, 1.82),
    ("servegen-m-large", "fixed:12", 0, 2.77),
]
ORACLE_POD_HOURS = {"azure-llm-conv": 7.69, "nab-elb": 67.18, "servegen-m-large": 145.44}


def trace_of(name: str) -> Trace:
    """A recorded load, its peak at ten replicas."""
    with (TRACES / f"{name}.csv").open(newline="") as lines:
        return read_trace(lines, name, SPEEDUP[name]).scaled_to_peak(10 * PARAMETERS.capacity)


def figures(trace: Trace, policy: str) -> Figures:
    """What comes of a policy with its defaults."""
    return evaluate(simulate(trace, catalog.build(policy, trace, PARAMETERS, {}), PARAMETERS))


@pytest.mark.parametrize(("name", "policy", "violations", "ratio"), REFERENCE)
def test_reference_figures(name: str, policy: str, violations: float, ratio: float) -> None:
    found = figures(trace_of(name), policy)
    assert 100 * found.violations == pytest.approx(violations, abs=0.2)
    # The reference is rounded to two digits.
    assert found.oracle_ratio == pytest.approx(ratio, rel=0.02, abs=0.005)
    assert found.j == pytest.approx(found.oracle_ratio + 25 * found.violations)


@pytest.mark.parametrize(("name", "hours"), ORACLE_POD_HOURS.items())
def test_the_oracle(name: str, hours: float) -> None:
    found = figures(trace_of(name), "oracle")
    assert found.pod_hours == pytest.approx(hours, abs=0.01)
    assert (found.violations, found.oracle_ratio, found.j) == (0, 1, 1)


def test_predictive_is_better_than_the_others_and_keeps_few_waiting() -> None:
    """On the shortest load; docs/benchmarks.md has all of them."""
    trace = trace_of("azure-llm-conv")
    predictive = figures(trace, "predictive")
    others = [figures(trace, policy).j for policy in ("hpa", "kpa", "keda", "step", "proportional")]
    assert predictive.j < min(others)
    assert predictive.violations < 0.02
