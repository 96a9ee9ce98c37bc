"""The conformance cases as data: the format, and reading them.

`python -m tests.conformance.cases` prints the JSON schema of a topic file.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from ragops.api.autoscaling import AutoscalingSpec, MetricType
from ragops.api.base import DNS_LABEL, Model
from ragops.api.defaults import resolve
from ragops.api.status import ScalingAction
from ragops.api.validation import parse, problems
from ragops.scaling.decision import ScalingReason

FOLDER: Final = Path(__file__).parent / "topics"
SCHEMA: Final = Path(__file__).with_name("case.schema.json")

REAL_TIME_METRICS: Final = (MetricType.CPU, MetricType.MEMORY)
"""What a resource metrics API serves, and so what a simulated cluster can be told to."""


class Weighted(Model):
    """A metric of requests, such as their response time: one value a ready pod, and its requests."""

    values: list[float | None]
    """One value a ready pod; null, NaN, infinite and negative ones are missing."""
    requests: list[float]
    """As many numbers: requests of the pod in the sample, by which its value is weighted."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.values) != len(self.requests):
            raise ValueError(
                f"requests has {len(self.requests)} numbers for {len(self.values)} values: give one a value"
            )
        return self


Values = float | list[float | None] | Weighted | None
"""One value a ready pod. A single number stands for all ready pods, null for no value of any of them."""


class Load(Model):
    """Requests that are spread evenly over the ready pods: CPU and arrivals follow from them, so that the
    outcome of one decision is the input of the next."""

    requests_per_second: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)]
    """Of the whole service; with `times`, used in turn from the step's first sample on."""
    per_replica: Annotated[float, Field(gt=0)] = 10
    """Requests a second that one pod serves at 100 % CPU."""


class Range(Model):
    """From min to max, both included."""

    min: int = 0
    max: int = 1000


class Expectation(Model):
    """What the decision must be. What is left out does not matter."""

    desired: int | Range | None = None
    """Replicas wanted."""
    action: ScalingAction | None = None
    """Up, Down or Hold: `desired` against the replicas before the decision."""
    reason: ScalingReason | None = None
    """Why."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("expects nothing: give desired, action or reason, or leave expect out")
        return self


class Step(Model):
    """One sample and the decision after it, or several of the same kind."""

    at: float | None = None
    """Seconds since the start. Less than before: the clock was set back."""
    every: Annotated[float, Field(gt=0)] | None = None
    """In place of `at`: seconds since the step before, or since the start."""
    times: Annotated[int, Field(ge=1, le=100_000)] = 1
    """With `every`: how often. `expect` is of each time."""
    restart: bool = False
    """The autoscaler's process was replaced before this step: samples are lost, its state is not."""
    replicas: Annotated[int, Field(ge=0)] | None = None
    """A person changes the replicas before the sample."""
    ready: Annotated[int, Field(ge=0)] | None = None
    """From here on so many pods are ready, and the rest of those that exist are not."""
    metrics: dict[MetricType, Values] | None = None
    """The sample. A metric left out has no value. Left out altogether: no sample is taken."""
    arrivals: Values = None
    """Requests a second of each ready pod."""
    load: Load | None = None
    """In place of metrics and arrivals."""
    expect: Expectation | None = None
    """Left out: any decision will do; it is carried out all the same."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.at is None) == (self.every is None):
            raise ValueError("needs a time: either at or every")
        if self.every is None and self.times > 1:
            raise ValueError("times belongs to every: at is one moment")
        if self.load is not None and (self.metrics is not None or self.arrivals is not None):
            raise ValueError("load makes the sample: leave metrics and arrivals out")
        if self.arrivals is not None and self.metrics is None:
            raise ValueError("arrivals belong to a sample: give metrics, {} if there are none")
        return self


class RememberedState(Model):
    """What an autoscaler remembers of the time before the start, and that it was alive until then."""

    stable_since: Annotated[float, Field(le=0)] | None = None
    """Since when scaling down would have been right, in seconds before the start: -120."""
    last_scale_time: Annotated[float, Field(le=0)] | None = None
    """When it last changed the replicas, in seconds before the start."""


class Start(Model):
    """The service before the first step."""

    replicas: Annotated[int, Field(ge=0)]
    """Replicas wanted of the workload."""
    ready: Annotated[int, Field(ge=0)] | None = None
    """Ready pods. Default: all."""
    state: RememberedState | None = None
    """Left out: the autoscaler has only just begun."""


class Case(Model):
    """One behaviour."""

    name: Annotated[str, Field(pattern=DNS_LABEL, max_length=40)]
    """Unique among all topics."""
    why: Annotated[str, Field(min_length=20)]
    """What happens, and why that is right."""
    source: str | None = None
    """Where the behaviour is documented, when it is not of ragops alone."""
    policy: AutoscalingSpec
    """The block `autoscaling` of a service; what is left out has its default."""
    start: Start
    """Where it begins."""
    start_up_seconds: Annotated[float, Field(ge=0)] = 0
    """Until a pod that was ordered is ready."""
    frozen: bool = False
    """Every change is refused by the cluster: replicas stay as they are, and it is no scaling to remember."""
    real_time: bool = False
    """Can be played on a running cluster, where samples come late and more often than the steps say: the
    actions are the same however often each step's sample is repeated."""
    steps: Annotated[list[Step], Field(min_length=1)]
    """In this order."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not any(step.expect for step in self.steps):
            raise ValueError(f"{self.name} expects nothing: no step has expect")
        if self.real_time and (hurdle := next(self._hurdles(), None)):
            raise ValueError(f"{self.name} cannot be played in real time: {hurdle}; leave realTime out")
        return self

    def _hurdles(self) -> Iterator[str]:
        """What a running cluster cannot be told to do."""
        if self.frozen or self.start.state or self.start.ready is not None:
            yield "frozen, start.state and start.ready are not of a real start"
        if self.start_up_seconds:
            yield "startUpSeconds; use ready"
        for step in self.steps:
            if (
                step.at is not None
                or step.restart
                or step.load
                or step.arrivals is not None
                or not step.metrics
            ):
                yield "a step has at, restart, load or arrivals, or no metrics"
            expect = step.expect
            if expect is None or not (isinstance(expect.desired, int) and expect.action and expect.reason):
                yield "a step does not expect a number of replicas, an action and a reason"
            for metric, values in (step.metrics or {}).items():
                if metric not in REAL_TIME_METRICS:
                    yield f"{metric} is not in the resource metrics API"
                numbers = values if isinstance(values, list) else [values]
                if not all(isinstance(n, float) and 0 <= n < 100_000 for n in numbers):
                    yield f"a missing or impossible value of {metric}"

    @property
    def resolved(self) -> AutoscalingSpec:
        """The policy with all defaults. Raises ValueError for one that the API would refuse."""
        service = {"name": self.name, "type": "Generation", "autoscaling": self.policy.to_wire()}
        rag = parse(
            {
                "apiVersion": "ragops.dev/v1alpha1",
                "kind": "RAGDeployment",
                "metadata": {"name": "case", "namespace": "default"},
                "spec": {"services": [service]},
            }
        )
        if found := problems(rag):
            raise ValueError(f"{self.name}: {found[0]}")
        policy = resolve(rag).spec.services[0].autoscaling
        assert policy is not None, "given above"
        return policy


class Topic(Model):
    """One file of cases."""

    topic: Annotated[str, Field(pattern=DNS_LABEL)]
    """Name of the file."""
    about: str
    """A sentence for people."""
    cases: Annotated[list[Case], Field(min_length=1)]
    """The cases."""


def topics() -> list[Topic]:
    """All topics, by name. Raises ValueError, naming file and field, for one that is not of the format."""
    return [_read(path) for path in sorted(FOLDER.glob("*.yaml"))]


def schema() -> str:
    """The JSON schema of a topic file."""
    return json.dumps(_on_one_line(Topic.model_json_schema(by_alias=True)), indent=2) + "\n"


def _read(path: Path) -> Topic:
    try:
        return Topic.model_validate(yaml.safe_load(path.read_text()))
    except (ValidationError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def _on_one_line(node: object) -> object:
    """A JSON value with every text on one line: how docstrings are wrapped plays no part."""
    if isinstance(node, dict):
        return {key: _on_one_line(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_on_one_line(value) for value in node]
    return " ".join(node.split()) if isinstance(node, str) else node


if __name__ == "__main__":
    print(schema(), end="")
