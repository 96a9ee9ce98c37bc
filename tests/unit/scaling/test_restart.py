"""What the scaler remembers is in status: whole passes decide the same with and without a restart."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.operator.world import World, rag_of, six
from tests.unit.scaling.running import examples

from ragops.api.autoscaling import AutoscalingSpec, MetricType
from ragops.orchestration.actions import Scale
from ragops.scaling.decide import observe
from ragops.scaling.record import Record
from ragops.scaling.window import Sample, Window, reading

NAME = "generation"
LIMIT = {"replicas": 2, "percent": 0, "periodSeconds": 40}


class Passes:
    """A service with autoscaling in a world of its own, one sample and one pass after the other."""

    def __init__(self, mode: str, **fields: object) -> None:
        block = {
            "mode": mode,
            "maxReplicas": 12,
            "cooldownSeconds": 30,
            "stabilitySeconds": 60,
            "sampleSeconds": 5,
            "rateUp": LIMIT,
            "rateDown": LIMIT,
            "metrics": [{"type": "CPU"}],
            **fields,
        }
        self.world = World(rag_of(six(generation={"autoscaling": block})))
        self.world.step(0)
        self.world.make_ready(NAME)
        self.world.step(0)
        self.window = Window()

    @property
    def policy(self) -> AutoscalingSpec:
        found = next(s.autoscaling for s in self.world.rag.spec.services if s.name == NAME)
        assert found is not None
        return found

    @property
    def replicas(self) -> int:
        """What the Deployment wants."""
        wanted = self.world.workload(NAME)["spec"]["replicas"]
        assert isinstance(wanted, int)
        return wanted

    def restart(self) -> None:
        """A new process: no samples, but it knows until when the one before was alive."""
        self.window = Window(seen_until=self.window.samples[-1].at if self.window.samples else None)

    def sample(self, seconds: int, load: float, late: float) -> Record:
        """A sample after so many whole seconds, and a pass a fraction of a second later."""
        at = self.world.now.replace(microsecond=0) + timedelta(seconds=seconds)
        self.world.make_ready(NAME)
        pods = self.replicas
        self.window = observe(
            self.policy, self.window, Sample(at, {MetricType.CPU: reading([load / pods] * pods)})
        )
        self.world.windows = {NAME: self.window}
        self.world.now = at + timedelta(seconds=late)
        self.world.step(0)
        (record,) = self.world.last.records
        return record


courses = st.lists(
    st.tuples(
        st.sampled_from([5, 5, 5, 5, 5, 5, 5, 16]),
        st.sampled_from([20.0, 20.0, 60.0, 60.0, 150.0, 500.0, 700.0]),
    ),
    min_size=20,
    max_size=45,
)


@pytest.mark.parametrize("mode", ["Step", "Proportional"])
@given(course=courses, at=st.integers(1, 40), late=st.sampled_from([0.0, 0.004, 0.7]))
@examples(15)
def test_a_restart_changes_no_decision(
    mode: str, course: Sequence[tuple[int, float]], at: int, late: float
) -> None:
    on, anew = Passes(mode), Passes(mode)
    for turn, (seconds, load) in enumerate(course):
        if turn == at:
            anew.restart()
        one, other = on.sample(seconds, load, late), anew.sample(seconds, load, late)
        assert one.decision == other.decision
        assert one.state == other.state


def test_a_cooldown_is_never_shorter_for_being_kept_in_whole_seconds() -> None:
    run = Passes("Step")
    run.sample(5, 95.0, late=0.6)
    acted = run.world.now
    (scale,) = run.world.last.scales
    assert isinstance(scale, Scale)
    status = run.world.service(NAME).scaling
    assert status is not None
    assert status.last_scale_time is not None
    assert acted <= status.last_scale_time < acted + timedelta(seconds=1)
    decisions = [(run.sample(1, 190.0, late=0.6).decision, run.world.now) for _ in range(32)]
    first = next(at for decision, at in decisions if decision.desired == 3)
    assert timedelta(seconds=30) <= first - acted <= timedelta(seconds=31)


def grown(**fields: object) -> Passes:
    """Eight replicas at their target."""
    run = Passes("Proportional", **fields)
    for _ in range(40):
        run.sample(5, 560.0, late=0.1)
    assert run.replicas == 8
    return run


def test_the_largest_demand_of_the_window_survives() -> None:
    run = grown(rateDown={"replicas": 12})
    found = []
    for load in [400.0, *[70.0] * 12]:
        run.restart()
        run.sample(5, load, late=0.1)
        found.append(run.replicas)
    assert found[-2:] == [8, 6]


def test_what_was_changed_of_late_survives() -> None:
    """rateUp allows two in 40 s."""
    run, found = grown(), []
    for _ in range(10):
        run.restart()
        run.sample(5, 840.0, late=0.1)
        found.append(run.replicas)
    assert found == [10] * 9 + [12]
