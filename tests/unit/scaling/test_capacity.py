"""The capacity of a replica is found again in samples that were made by its model."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from tests.unit.scaling.running import START

from ragops.api.autoscaling import MetricType
from ragops.scaling.capacity import Capacity
from ragops.scaling.sample import Sample, reading

SECONDS = 15.0


@dataclass
class Service:
    """Replicas of a known capacity, a processor-sharing queue each; the load varies inside a sample."""

    full: float = 12.0
    service_seconds: float = 0.15
    variance: float = 0.0
    delayed: bool = False
    """CPU is that of the sample before."""
    noise: float = 0.0
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))
    cpu: float | None = None

    def sample(self, load: float, ready: int) -> Sample:
        """Of a load in requests a second."""
        used = load / ready / self.full
        idle = 1 - used
        seconds = self.service_seconds / idle * (1 + self.variance * used / idle**2)
        factor = 1 + self.noise * self.random.standard_normal()
        told, self.cpu = (self.cpu if self.delayed else 100 * used * factor), 100 * used * factor
        readings = {MetricType.RESPONSE_TIME: reading([1000 * seconds] * ready)}
        if told is not None:
            readings[MetricType.CPU] = reading([told] * ready)
        return Sample(START, readings, reading([load / ready] * ready))

    def learn(self, loads: list[float], ready: list[int]) -> Capacity:
        """What is known after these samples."""
        known = Capacity()
        for load, pods in zip(loads, ready, strict=True):
            known = known.after(self.sample(load, pods), SECONDS)
        return known


def waves(count: int, ready: int = 4, low: float = 8.0, high: float = 40.0) -> tuple[list[float], list[int]]:
    middle, reach = (low + high) / 2, (high - low) / 2
    return [middle + reach * math.sin(i / 9) for i in range(count)], [ready] * count


@pytest.mark.parametrize("delayed", [False, True])
def test_the_capacity_is_found(delayed: bool) -> None:
    service = Service(delayed=delayed, noise=0.05)
    known = service.learn([float(load) for load in service.random.uniform(8, 40, 200)], [4] * 200)
    assert known.known
    assert known.full == pytest.approx(12.0, rel=0.03)
    assert known.error < 0.05
    assert known.service_seconds == pytest.approx(0.15, rel=0.05)
    assert known.variance < 0.05


def test_the_variance_inside_a_sample_is_found() -> None:
    known = Service(variance=0.1).learn(*waves(400))
    assert known.service_seconds == pytest.approx(0.15, rel=0.05)
    assert known.variance == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("delayed", [False, True])
def test_changing_replicas_do_not_matter(delayed: bool) -> None:
    loads, _ = waves(300)
    known = Service(delayed=delayed).learn(loads, [4 + i // 10 % 5 for i in range(300)])
    assert known.full == pytest.approx(12.0, rel=0.03)
    assert known.service_seconds == pytest.approx(0.15, rel=0.05)


def test_a_new_image_is_learned_in_place_of_the_old() -> None:
    loads, ready = waves(200)
    known = Service(full=12.0).learn(loads, ready)
    slower = Service(full=9.0, service_seconds=0.3)
    for load in [0.7 * load for load in loads * 8]:
        known = known.after(slower.sample(load, 4), SECONDS)
    assert known.full == pytest.approx(9.0, rel=0.05)
    assert known.service_seconds == pytest.approx(0.3, rel=0.1)


def overloaded(sample: Sample, **metrics: float) -> Sample:
    """With these metrics in place of its own: more arrives than is served."""
    more = {MetricType(name): reading([value] * 4) for name, value in metrics.items()}
    arrivals = reading([40.0] * 4)
    return replace(sample, readings={**sample.readings, **more}, arrivals=arrivals)


@pytest.mark.parametrize(
    "metrics", [{"CPU": 100.0}, {"CPU": 60.0, "QueueDepth": 30.0}, {"CPU": 60.0, "ErrorRate": 20.0}]
)
def test_nothing_is_learned_from_overload(metrics: dict[str, float]) -> None:
    service = Service()
    known = service.learn(*waves(100))
    for _ in range(20):
        known = known.after(overloaded(service.sample(20.0, 4), **metrics), SECONDS)
    assert known.full == pytest.approx(12.0, rel=0.02)
    assert known.service_seconds == pytest.approx(0.15, rel=0.02)


@pytest.mark.parametrize(
    ("metric", "bad"),
    [
        (MetricType.CPU, 150.0),
        (MetricType.CPU, 1e9),
        (MetricType.RESPONSE_TIME, 1e9),
        (MetricType.QUEUE_DEPTH, 1e9),
        (None, 1e6),
    ],
)
def test_one_bad_pod_does_not_spoil_what_is_known(metric: MetricType | None, bad: float) -> None:
    """Whatever it tells of a metric, or of its requests (None)."""
    service = Service()
    known = service.learn(*waves(100))
    for _ in range(20):
        sample = service.sample(20.0, 4)
        if metric is None:
            sample = replace(sample, arrivals=reading([5.0, 5.0, 5.0, bad]))
        else:
            usual = sample.readings[metric].average if metric in sample.readings else 0.0
            readings = {**sample.readings, metric: reading([usual, usual, usual, bad])}
            sample = replace(sample, readings=readings)
        known = known.after(sample, SECONDS)
    assert known.full == pytest.approx(12.0, rel=0.02)
    assert known.service_seconds == pytest.approx(0.15, rel=0.02)
    assert known.at_once.count > 80


@pytest.mark.parametrize("load", [0.0, 1e-9])
def test_without_load_nothing_is_known(load: float) -> None:
    known = Service().learn([load] * 50, [4] * 50)
    assert not known.known
    assert known.error == math.inf
    assert known.service_seconds is None


def test_incomplete_samples_tell_nothing() -> None:
    service, known = Service(), Capacity()
    for _ in range(20):
        sample = service.sample(20.0, 4)
        cpu = reading([None, 40.0, 40.0, 40.0])
        known = known.after(replace(sample, readings={MetricType.CPU: cpu}), SECONDS)
        known = known.after(replace(sample, arrivals=reading([None, 5.0, 5.0, 5.0])), SECONDS)
        known = known.after(Sample(START, {}), SECONDS)
    assert not known.known
