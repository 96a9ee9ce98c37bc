"""`ragops replay`: a decision log, decided once more, and what became of the replicas over time."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, TextIO

from ragops.api.autoscaling import AutoscalingSpec
from ragops.api.status import ScalingAction
from ragops.scaling.decide import decide, observe
from ragops.scaling.decision import ScalingReason
from ragops.scaling.record import (
    DecisionEntry,
    DroppedEntry,
    PolicyEntry,
    ResetEntry,
    SampleEntry,
    Subject,
    WindowEntry,
    decode,
    is_entry,
    plain,
)
from ragops.scaling.window import Window


@dataclass(frozen=True)
class Difference:
    """A decision that comes out otherwise."""

    line: int
    service: str
    at: datetime
    fields: Mapping[str, tuple[Any, Any]]
    """The fields that differ: as recorded, and as decided now."""


@dataclass(frozen=True)
class Change:
    """The replicas were changed."""

    service: str
    at: datetime
    before: int
    after: int
    reason: str
    message: str


@dataclass
class Replayed:
    """What a log holds, and whether it holds good."""

    same: int = 0
    others: int = 0
    """Left to somebody else's autoscaler: nothing was decided."""
    incomparable: int = 0
    """The log does not say what they were made from: it begins, or goes on after a fault, in the middle."""
    dropped: int = 0
    """By the operator, which could not write them."""
    different: list[Difference] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    unreadable: dict[int, str] = field(default_factory=dict)
    """What is wrong with a line, by its number."""
    leaders: list[datetime] = field(default_factory=list)
    """When an operator began to act."""
    services: set[Subject] = field(default_factory=set)
    """Those with decisions, asked for or not."""

    @property
    def decisions(self) -> int:
        """How many decisions of the services asked for the log has."""
        return self.same + len(self.different) + self.others + self.incomparable

    @property
    def confirmed(self) -> bool:
        """All decisions that could be made again came out the same, and that is not for want of any."""
        return not self.different and (self.same > 0 or not self.incomparable)


@dataclass
class _Known:
    """What the log has said of a service up to some line."""

    policy: AutoscalingSpec | None = None
    window: Window | None = None
    desired: int | None = None


def replay(lines: Iterable[str], service: str | None = None) -> Replayed:
    """Decides all decisions of a log again, or those of services with this name.

    Lines of other programs between those of the log are passed over. Raises ValueError where there is nothing
    to decide.
    """
    found = Replayed()
    known: dict[Subject, _Known] = {}
    for number, line in enumerate(lines, 1):
        if not is_entry(line):
            continue
        try:
            entry = decode(line)
        except ValueError as error:
            found.unreadable[number] = str(error)
            known.clear()  # whatever the line said may be needed for those after it
            continue
        if isinstance(entry, DroppedEntry):
            found.dropped += entry.decisions
        elif isinstance(entry, ResetEntry):
            found.leaders.append(entry.at)
        else:
            found.services |= {entry.subject}
            if service in (None, entry.service):
                _take_in(found, known.setdefault(entry.subject, _Known()), entry, number)
    if not found.decisions:
        raise ValueError(_nothing(found, service))
    return found


def _take_in(
    found: Replayed, known: _Known, entry: PolicyEntry | WindowEntry | SampleEntry | DecisionEntry, line: int
) -> None:
    match entry:
        case PolicyEntry():
            known.policy = entry.policy
        case WindowEntry():
            known.window = entry.window
        case SampleEntry():
            if known.window is not None and known.policy is not None:
                known.window = observe(known.policy, known.window, entry.sample)
        case DecisionEntry():
            found.changes += _changes(known, entry)
            known.desired = entry.decision.desired
            _judge(found, known, entry, line)


def _judge(found: Replayed, known: _Known, entry: DecisionEntry, line: int) -> None:
    if entry.decision.reason is ScalingReason.OWNED_BY_OTHERS:
        found.others += 1
        return
    if known.policy is None or known.window is None:
        found.incomparable += 1
        return
    again = decide(known.policy, entry.replicas, known.window, entry.state, entry.at)
    if again == entry.decision:
        found.same += 1
        return
    recorded, now = plain(entry.decision), plain(again)
    fields = {name: (recorded[name], now[name]) for name in recorded if recorded[name] != now[name]}
    found.different.append(Difference(line, str(entry.subject), entry.at, fields))


def _changes(known: _Known, entry: DecisionEntry) -> Iterator[Change]:
    """What others did to the replicas since the decision before, and what this one did."""
    service, wanted, decision = str(entry.subject), entry.replicas.wanted, entry.decision
    if known.desired is not None and known.desired != wanted:
        yield Change(service, entry.at, known.desired, wanted, "Others", "not by ragops")
    if decision.action is not ScalingAction.HOLD:
        yield Change(service, entry.at, wanted, decision.desired, decision.reason, decision.message)


def _nothing(found: Replayed, service: str | None) -> str:
    if found.services:
        names = ", ".join(sorted({subject.service for subject in found.services}))
        return f"no decision on a service named {service}: the log has {names}"
    if found.unreadable:
        return "\n".join(_faults(found))
    return "no decision in the log: give a file that the operator has written by RAGOPS_DECISION_LOG"


def show_replay(lines: Iterable[str], service: str | None, as_json: bool, stream: TextIO) -> bool:
    """Replays a log and prints what came of it. Returns whether it is confirmed. Raises ValueError."""
    found = replay(lines, service)
    if as_json:
        stream.write(f"{_as_json(found)}\n")
    else:
        _show(found, stream)
    return found.confirmed


def _show(found: Replayed, stream: TextIO) -> None:
    """For people: the changes of replicas in the order of time, then the outcome."""
    width = max((len(change.service) for change in found.changes), default=0)
    for change in found.changes:
        stream.write(
            f"{_stamp(change.at)}  {change.service:{width}}  {change.before:>4} -> {change.after:<4}  "
            f"{change.reason}: {change.message}\n"
        )
    for difference in found.different:
        stream.write(f"line {difference.line}: {difference.service} at {_stamp(difference.at)} differs\n")
        for name, (recorded, now) in difference.fields.items():
            stream.write(f"  {name}: recorded {json.dumps(recorded)}, now {json.dumps(now)}\n")
    stream.writelines(f"{line}\n" for line in _outcome(found))


def _outcome(found: Replayed) -> Iterator[str]:
    for leader in found.leaders:
        yield f"an operator began to act at {_stamp(leader)}"
    yield f"{found.decisions} decisions: {found.same} the same, {len(found.different)} different"
    if found.others:
        yield f"{found.others} were left to autoscalers of others"
    if found.incomparable:
        yield (
            f"{found.incomparable} cannot be compared: the log does not say what they were made from, "
            "because it begins in the middle or a line before them cannot be read"
        )
    if found.dropped:
        yield f"{found.dropped} were not written by the operator: its disk was full or too slow"
    yield from _faults(found)


def _faults(found: Replayed) -> Iterator[str]:
    for line, fault in found.unreadable.items():
        yield f"line {line} cannot be read: {fault}"


def _as_json(found: Replayed) -> str:
    """For programs."""
    return json.dumps(
        {
            "confirmed": found.confirmed,
            "decisions": found.decisions,
            **asdict(found),
            "services": sorted(map(str, found.services)),
        },
        default=datetime.isoformat,
        indent=2,
    )


def _stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
