"""What a source of samples is asked for, and what it answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from ragops.api.autoscaling import EndpointSpec, MetricSpec, MetricType
from ragops.cluster.cache import Key
from ragops.metrics.pod import Pod
from ragops.scaling.sample import Reading, Sample
from ragops.scaling.window import Window

ANSWER_SECONDS: Final = 5.0
"""Longest wait for any source: a sample without its value is better than none."""

ENDPOINT_METRICS: Final = (MetricType.RESPONSE_TIME, MetricType.QUEUE_DEPTH, MetricType.ERROR_RATE)
"""The metrics that pods tell of themselves; the others come from the resource metrics API."""


class MissingReason(StrEnum):
    """Why a metric has no value for some ready pod, or for all."""

    FIRST_SCRAPE = "FirstScrape"
    TIMEOUT = "Timeout"
    UNREACHABLE = "Unreachable"
    REFUSED = "Refused"
    WRONG_TYPE = "WrongType"
    TOO_LARGE = "TooLarge"
    MALFORMED = "Malformed"
    NOT_EXPOSED = "NotExposed"
    NO_REQUEST = "NoRequest"
    STALE = "Stale"
    NOT_CONFIGURED = "NotConfigured"
    NOT_ONE_VALUE = "NotOneValue"


PASSING: Final = frozenset({MissingReason.FIRST_SCRAPE})
"""Reasons that end by themselves with the next sample: counted, but not told."""


class Missing(NamedTuple):
    """Why a metric has no value. The text is for status: it must not change while the cause does not."""

    reason: MissingReason
    text: str


class SourceError(Exception):
    """A source, or one pod of it, gave nothing that can be used."""

    def __init__(self, reason: MissingReason, text: str) -> None:
        super().__init__(text)
        self.missing = Missing(reason, text)


class ServiceId(NamedTuple):
    """A service of a RAGDeployment."""

    key: Key
    name: str

    def __str__(self) -> str:
        return f"{self.key}/{self.name}"

    @property
    def labels(self) -> tuple[str, str, str]:
        """Labels of the operator's own metrics."""
        return (*self.key, self.name)


@dataclass(frozen=True)
class Target:
    """A service to be sampled."""

    service: ServiceId
    every: timedelta
    observe: Callable[[Window, Sample], Window]
    """Takes a sample in."""
    metrics: tuple[MetricSpec, ...]
    endpoint: EndpointSpec
    """With its port filled in."""
    arrivals: bool
    """Whether the arrivals are wanted too, which come with the pods' response times."""
    pods: Callable[[], Sequence[Pod]]
    """Its ready pods, when they are needed."""
    through_gateway: Callable[[], bool] = lambda: False
    """Whether its requests go through the gateway now."""
    variant_alone: bool = False
    """`pods` are those of one of two workloads, each of which is measured by itself."""

    def wanted(self, metrics: Sequence[MetricType]) -> Iterator[MetricSpec]:
        """Those of `metrics` that are wanted from their default source."""
        return (metric for metric in self.metrics if metric.query is None and metric.type in metrics)


@dataclass(frozen=True)
class Measured:
    """What a source answers: a reading for each metric that it was asked for, also where it has no value."""

    readings: Mapping[MetricType, Reading] = field(default_factory=dict)
    arrivals: Reading | None = None
    missing: Mapping[MetricType, Missing] = field(default_factory=dict)
    """Why some pod, or each, has no value."""


class Source(Protocol):
    """Where samples come from."""

    name: str
    """For the operator's own metrics."""

    async def measure(self, target: Target, pods: Sequence[Pod]) -> Measured:
        """One sample of the metrics that `target` wants from here, over its ready `pods`.

        Never fails: what cannot be had is missing. Takes at most ANSWER_SECONDS.
        """
