"""The decision log: what every scaling decision was made from, and what came of it, as lines of JSON.

One object a line, told apart by `kind`, with times in UTC and the names of the fields as in this module:

- `policy`: the resolved autoscaling block, before the first decision by it;
- `window`: all samples of a service, wherever the log does not have them yet;
- `sample`: one more sample, which the window takes in as the sampler did;
- `decision`: the replicas, what the scaler remembered, and the decision on the window so far;
- `reset`: a leader has begun, whose samples are its own;
- `dropped`: so many decisions were too many for the writer.

A log is complete from any `policy` and `window` on. They are written whenever what the log has is not what
the operator had, so every file can be replayed alone, and nothing that was lost is missed for long.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, NoReturn

from pydantic import Field, TypeAdapter, ValidationError

from ragops.api.autoscaling import AutoscalingSpec
from ragops.scaling.decide import take_in
from ragops.scaling.decision import Decision, Replicas, ScalingState
from ragops.scaling.window import Sample, Window


class Subject(NamedTuple):
    """A service of a RAGDeployment."""

    namespace: str
    rag: str
    service: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(frozen=True)
class Record:
    """One decision, with all that it was made from: decide(policy, replicas, window, state, at)."""

    subject: Subject
    at: datetime
    policy: AutoscalingSpec
    replicas: Replicas
    window: Window
    state: ScalingState
    decision: Decision


@dataclass(frozen=True)
class _Entry:
    at: datetime


@dataclass(frozen=True)
class _ServiceEntry(_Entry):
    namespace: str
    rag: str
    service: str

    @property
    def subject(self) -> Subject:
        """The service that the line speaks of."""
        return Subject(self.namespace, self.rag, self.service)


@dataclass(frozen=True)
class PolicyEntry(_ServiceEntry):
    """From here on decisions are made by this policy."""

    policy: AutoscalingSpec
    kind: Literal["policy"] = "policy"


@dataclass(frozen=True)
class WindowEntry(_ServiceEntry):
    """From here on decisions are made from this window."""

    window: Window
    kind: Literal["window"] = "window"


@dataclass(frozen=True)
class SampleEntry(_ServiceEntry):
    """The window takes this sample in."""

    sample: Sample
    kind: Literal["sample"] = "sample"


@dataclass(frozen=True)
class DecisionEntry(_ServiceEntry):
    """A decision, at the time `at`."""

    replicas: Replicas
    state: ScalingState
    decision: Decision
    kind: Literal["decision"] = "decision"


@dataclass(frozen=True)
class ResetEntry(_Entry):
    """A leader has begun, with no samples."""

    resumed_from: datetime | None = None
    """Until when the leader before was alive, where that is known."""
    kind: Literal["reset"] = "reset"


@dataclass(frozen=True)
class DroppedEntry(_Entry):
    """Decisions that are not in the log."""

    decisions: int
    kind: Literal["dropped"] = "dropped"


Entry = PolicyEntry | WindowEntry | SampleEntry | DecisionEntry | ResetEntry | DroppedEntry

_BY_KIND: Any = Annotated[Entry, Field(discriminator="kind")]
_ENTRY: Final[TypeAdapter[Any]] = TypeAdapter(_BY_KIND)
_DECISION: Final = TypeAdapter(Decision)
_BEGIN: Final = '{"kind":'


def encode(entry: Entry) -> str:
    """One line, without its end. Raises ValueError where a number is not finite: JSON has no word for it."""
    fields = _ENTRY.dump_python(entry, mode="json", exclude_none=True)
    return json.dumps({"kind": entry.kind, **fields}, allow_nan=False, separators=(",", ":"))


def is_entry(line: str) -> bool:
    """Whether a line begins as those of the log do: where it shares a stream, others stand in between."""
    return line.startswith(_BEGIN)


def decode(line: str) -> Entry:
    """Reads a line. Raises ValueError saying what is wrong with it."""
    try:
        entry: Entry = _ENTRY.validate_python(json.loads(line, parse_constant=_refuse))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from error
    return entry


def plain(decision: Decision) -> Mapping[str, Any]:
    """The fields of a decision, in their JSON form."""
    fields: Mapping[str, Any] = _DECISION.dump_python(decision, mode="json")
    return fields


class Recorder:
    """Turns records into entries: each with what the log does not say yet."""

    def __init__(self) -> None:
        self._policies: dict[Subject, AutoscalingSpec] = {}
        self._windows: dict[Subject, Window] = {}

    def forget(self) -> None:
        """A new file begins, or lines were lost: everything must be said again."""
        self._policies.clear()
        self._windows.clear()

    def entries(self, record: Record) -> list[Entry]:
        """The lines of one record, in their order."""
        subject, at = record.subject, record.at
        entries: list[Entry] = []
        if self._policies.get(subject) != record.policy:
            entries.append(PolicyEntry(at, *subject, policy=record.policy))
        entries += self._additions(record)
        entries.append(
            DecisionEntry(
                at, *subject, replicas=record.replicas, state=record.state, decision=record.decision
            )
        )
        self._policies[subject], self._windows[subject] = record.policy, record.window
        return entries

    def _additions(self, record: Record) -> list[Entry]:
        """What leads from the window of the log to that of the record."""
        subject, window = record.subject, record.window
        known = self._windows.get(subject)
        if known == window:
            return []
        # An empty one does not say what an operator before has learned, which the first sample comes with.
        if known is not None and known.samples:
            last = known.samples[-1].at
            new = [sample for sample in window.samples if sample.at > last]
            for sample in new:
                known = take_in(record.policy, known, sample)
            if known == window:
                return [SampleEntry(sample.at, *subject, sample=sample) for sample in new]
        return [WindowEntry(record.at, *subject, window=window)]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number that JSON knows")
