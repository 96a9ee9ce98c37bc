"""Drives the operator's own `decide` with the figures of the model."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ragops.api.autoscaling import AutoscalingSpec, MetricType
from ragops.api.defaults import resolve
from ragops.api.problems import InvalidRAG, Problem
from ragops.api.validation import parse, problems
from ragops.scaling.choice import remember
from ragops.scaling.decide import decide, observe
from ragops.scaling.decision import Replicas, ScalingState
from ragops.scaling.learning import start_seconds
from ragops.scaling.simulation.model import Observation, Order, View
from ragops.scaling.window import Reading, Sample, Window

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""The time that the first tick is told to have."""
CPU_DELAY_SECONDS: Final = 15
"""Age of what the resource metrics API tells."""
_SERVICE: Final = "simulated"


def spec_of(fields: Mapping[str, Any]) -> AutoscalingSpec:
    """The resolved policy of a service with this `autoscaling` block, of a type that has all metrics.

    Raises InvalidRAG naming each field at fault, by its path within the block.
    """
    raw = {
        "apiVersion": "ragops.dev/v1alpha1",
        "kind": "RAGDeployment",
        "metadata": {"name": _SERVICE, "namespace": "default"},
        "spec": {"services": [{"name": _SERVICE, "type": "Retrieval", "autoscaling": dict(fields)}]},
    }
    prefix = f"spec.services[{_SERVICE}].autoscaling."
    try:
        rag = parse(raw)
        if found := problems(rag):
            raise InvalidRAG(found)
    except InvalidRAG as error:
        raise InvalidRAG(
            Problem(problem.path.removeprefix(prefix), problem.message, problem.reason)
            for problem in error.problems
        ) from None
    spec = resolve(rag).spec.services[0].autoscaling
    assert spec is not None, "it was given"
    return spec


class Ours:
    """The operator in its cluster: sample, decide, remember."""

    initial = None

    def __init__(self, spec: AutoscalingSpec, memory: float | None = None) -> None:
        """`spec` is resolved. `memory`: per cent that every pod uses; without it Memory is not compared."""
        metrics = [m for m in spec.metrics or () if m.type is not MetricType.MEMORY or memory is not None]
        if not metrics:
            raise ValueError("compares nothing but Memory, which the model does not know; give it as well")
        self.interval = spec.sample_seconds
        self._spec = spec.model_copy(update={"metrics": metrics})
        self._memory = memory
        self._window = Window()
        self._state = ScalingState()

    def decide(self, view: View) -> Order:
        """The operator's decision on the samples until now."""
        now = START + timedelta(seconds=view.now)
        if view.samples:
            self._window = observe(self._spec, self._window, self._sample(view, now))
        replicas = Replicas(view.replicas, len(view.ready))
        decision = decide(self._spec, replicas, self._window, self._state, now)
        self._state = remember(decision, replicas, self._state, self._spec, now)
        return Order(decision.desired, decision.reason, decision.message)

    def _sample(self, view: View, now: datetime) -> Sample:
        """The last sample as it would have been taken, CPU by the one that the resource metrics API knows."""
        ready = len(view.ready)
        if not ready:
            return Sample(now, {})
        last, delayed = view.samples[-1], view.delayed(CPU_DELAY_SECONDS)
        readings = _readings(last, ready)
        if delayed is not None:
            readings[MetricType.CPU] = _each(100 * delayed.utilisation, ready)
        if self._memory is not None:
            readings[MetricType.MEMORY] = _each(self._memory, ready)
        return Sample(
            now,
            readings,
            arrivals=Reading(last.arrival_rate, ready, ready),
            start_seconds=start_seconds(view.started),
        )


def _readings(last: Observation, ready: int) -> dict[MetricType, Reading]:
    response = _each(1000 * last.response, ready)
    if last.arrived:
        response = replace(response, total=1000 * last.response * last.arrived, weight=last.arrived)
    return {
        MetricType.RESPONSE_TIME: response,
        MetricType.QUEUE_DEPTH: Reading(last.queue, ready, ready),
        MetricType.ERROR_RATE: Reading(100 * last.dropped, ready, ready, weight=last.arrived),
    }


def _each(value: float, ready: int) -> Reading:
    """The same value in every pod."""
    return Reading(value * ready, ready, ready)
