"""A service whose decisions are recorded, for tests of the decision log."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.unit.operator.world import rag_of, six

from ragops.api.autoscaling import AutoscalingSpec, MetricType
from ragops.api.status import ScalingAction
from ragops.scaling.decide import decide, keep
from ragops.scaling.decision import Replicas, ScalingState
from ragops.scaling.record import Record, Subject
from ragops.scaling.window import Sample, Window, reading

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
WEB: Final = Subject("default", "demo", "generation")


def policy(**fields: object) -> AutoscalingSpec:
    """A resolved policy: CPU only, a sample every 5 s."""
    block = {"sampleSeconds": 5, "metrics": [{"type": "CPU"}], **fields}
    rag = rag_of(six(generation={"autoscaling": block}))
    found = next(s.autoscaling for s in rag.spec.services if s.name == "generation")
    assert found is not None
    return found


def records(cpu: Iterable[float | None], by: AutoscalingSpec, subject: Subject = WEB) -> Iterator[Record]:
    """A service over time: a sample and a decision every 5 s, carried out at once."""
    window, state, wanted, at = Window(), ScalingState(), 2, START
    for value in cpu:
        at += timedelta(seconds=5, microseconds=123)
        window = window.with_sample(Sample(at, {MetricType.CPU: reading([value] * wanted)}), keep(by))
        replicas = Replicas(wanted, wanted)
        decision = decide(by, replicas, window, state, at)
        yield Record(subject, at, by, replicas, window, state, decision)
        acted = decision.action is not ScalingAction.HOLD
        state = ScalingState(decision.stable_since, at if acted else state.last_scale_time)
        wanted = decision.desired
