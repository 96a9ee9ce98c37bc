"""The cases that a running cluster can play, against the operator as users run it."""

import time

import pytest
from tests.cluster.operator.eventually import eventually
from tests.cluster.operator.space import Space

from .cases import topics
from .performance import Performance
from .stage import Stage

TIMEOUT = 150.0
CASES = [case for topic in topics() for case in topic.cases if case.real_time]


@pytest.mark.usefixtures("operator")
def test_the_operator_decides_as_expected(space: Space) -> None:
    performances = [Performance(case) for case in CASES]
    stage = Stage(space, performances)
    stage.set_up()
    eventually(stage.is_set, "the metrics API tells the first load of all services", 60)
    stage.begin()
    deadline = time.monotonic() + TIMEOUT
    while not stage.play() and time.monotonic() < deadline:
        pass  # playing takes a second, and what was not seen in time is a fault
    faults = [fault for performance in performances if (fault := performance.fault())]
    assert not faults, "\n".join(faults)
