"""The workload model tick by tick, the figures, and reading of traces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragops.scaling.simulation import catalog, oracle
from ragops.scaling.simulation.figures import evaluate
from ragops.scaling.simulation.model import Order, Run, View, simulate
from ragops.scaling.simulation.parameters import Parameters
from ragops.scaling.simulation.trace import Trace, TraceError, read_trace


class Script:
    """Orders at given times."""

    interval = 1

    def __init__(self, initial: int, orders: dict[int, int] | None = None) -> None:
        self.initial = initial
        self._orders = orders or {}

    def decide(self, view: View) -> Order | None:
        replicas = self._orders.get(view.now)
        return None if replicas is None else Order(replicas, "Script", "")


def steps(*rates: float, seconds: int = 1) -> Trace:
    return Trace("steps", (seconds,) * len(rates), rates)


def run(trace: Trace, script: Script, **parameters: object) -> Run:
    return simulate(trace, script, Parameters(**parameters))  # type: ignore[arg-type]


def test_a_queue_by_hand() -> None:
    """One replica of 10 requests/s, 15 come in the first two seconds."""
    found = run(steps(15, 15, 0), Script(1))
    assert found.backlog.tolist() == [5, 10, 0]
    assert found.served.tolist() == [10, 10, 10]
    # Wait for the backlog, and processor sharing at 98 % at most.
    assert found.response == pytest.approx([0.5 + 0.2 / 0.02, 1 + 0.2 / 0.02, 0.2 / 0.02])


def test_what_waits_longer_than_the_timeout_is_dropped() -> None:
    found = run(steps(100, 0), Script(1), timeout=2)
    assert found.backlog.tolist() == [20, 10]
    assert found.dropped.tolist() == [70, 0]


def test_replicas_take_their_time_up_and_none_down() -> None:
    found = run(steps(*[0] * 8), Script(1, {1: 4, 3: 3, 6: 1}), start_up=(4.0,))
    assert found.ready.tolist() == [1, 1, 1, 1, 1, 3, 1, 1]
    assert found.pending.tolist() == [0, 3, 3, 2, 2, 0, 0, 0]
    assert [(c.at, c.before, c.after) for c in found.changes] == [(1, 1, 4), (3, 4, 3), (6, 3, 1)]


def test_figures_by_hand() -> None:
    """Needed: 1, 3 and 1 replicas at 90 % utilisation; there are 2."""
    found = evaluate(run(steps(9, 27, 9, seconds=10), Script(2)))
    assert found.pod_hours == pytest.approx(30 * 2 / 3600)
    assert found.tau_u == pytest.approx(1 / 3)
    assert found.tau_o == pytest.approx(2 / 3)
    assert found.theta_u == pytest.approx(1 / 9)
    assert found.longest_under_seconds == 10
    assert found.reversals == found.actions == 0


LOADS = st.lists(st.floats(0, 200), min_size=2, max_size=30)


@given(LOADS, st.integers(1, 5), st.dictionaries(st.integers(0, 30), st.integers(1, 9), max_size=5))
def test_no_request_is_lost(rates: list[float], initial: int, orders: dict[int, int]) -> None:
    found = run(steps(*rates), Script(initial, orders), start_up=(3.0,), timeout=5)
    gone = found.served.sum() + found.dropped.sum() + found.backlog[-1]
    assert found.arrived.sum() == pytest.approx(gone)
    assert (found.backlog >= 0).all()


@given(st.lists(st.floats(0, 80), min_size=2, max_size=20), st.integers(1, 9))
def test_nobody_without_violations_is_cheaper_than_the_oracle(rates: list[float], seconds: int) -> None:
    trace, parameters = steps(*rates, seconds=seconds), Parameters(start_up=(5.0,), max_replicas=20)
    found = evaluate(simulate(trace, catalog.build("oracle", trace, parameters, {}), parameters))
    assert found.violations == 0
    enough = int(oracle.needed(trace, parameters).max())
    fixed = evaluate(simulate(trace, catalog.build(f"fixed:{enough}", trace, parameters, {}), parameters))
    assert fixed.oracle_ratio >= 1 - 1e-9


@pytest.mark.parametrize("policy", ["predictive", "proportional", "step", "hpa", "kpa", "keda"])
@pytest.mark.parametrize("rates", [[0.0] * 40, [5.0] * 40, [0, 0, 0, 90, 0] * 8, [0.0] * 39 + [1e6]], ids=str)
def test_no_load_breaks_a_policy(policy: str, rates: list[float]) -> None:
    trace, parameters = steps(*rates, seconds=30), Parameters()
    found = simulate(trace, catalog.build(policy, trace, parameters, {}), parameters)
    assert np.isfinite(found.response).all()
    assert (found.ready + found.pending).max() <= parameters.max_replicas
    assert (found.ready + found.pending).min() >= 1


def test_reading_a_trace() -> None:
    trace = read_trace(["t,rps\r\n", "0,1.5\r\n", "1.0e+01,2\r\n", "30,0\r\n"], "x", speedup=10)
    assert (trace.seconds, trace.rates) == ((1, 2, 2), (1.5, 2, 0))
    assert trace.scaled_to_peak(10).rates == (7.5, 10, 0)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["time,load", "0,1", "1,1"], "t,rps"),
        (["t,rps", "0,1"], "at least two"),
        (["t,rps", "0,1", "0,2"], "line 3"),
        (["t,rps", "0,1", "5,-2"], "line 3"),
        (["t,rps", "0,1", "5,nan"], "line 3"),
        (["t,rps", "0,1", "5,x"], "line 3"),
        (["t,rps", "0,1", "2.5,1"], "whole"),
    ],
)
def test_a_bad_trace_is_told_by_its_line(rows: list[str], told: str) -> None:
    with pytest.raises(TraceError, match=told):
        read_trace(rows, "bad.csv")
