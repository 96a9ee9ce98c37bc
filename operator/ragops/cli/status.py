"""`kubectl rag status`: a RAGDeployment as text for 80 columns, and as JSON for programs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from rich.text import Text

from ragops.api.status import (
    ConditionType,
    GatewayState,
    HealthState,
    HealthStatus,
    ScalingAction,
    ServiceState,
    ServiceStatus,
)
from ragops.cli.rollout import place
from ragops.cli.system import ServiceView, System
from ragops.cli.text import told, wrapped
from ragops.cli.times import since
from ragops.cli.tree import Node, tree
from ragops.health.finding import HealthReason
from ragops.orchestration.rollout import is_troubled
from ragops.scaling.decision import ScalingReason

GOOD: Final = "green"
BUSY: Final = "yellow"
BAD: Final = "red"
DIM: Final = "dim"

STYLES: Final[dict[str, str]] = {
    ServiceState.READY: GOOD,
    ServiceState.WAITING: BUSY,
    ServiceState.STARTING: BUSY,
    ServiceState.UNAVAILABLE: BAD,
    ServiceState.FAILED: BAD,
    ServiceState.HALTED: BAD,
    HealthState.HEALTHY: GOOD,
    HealthState.DEGRADED: BUSY,
    HealthState.UNHEALTHY: BAD,
    HealthState.UNKNOWN: DIM,
}
WANTED: Final = {
    ConditionType.ACCEPTED: "True",
    ConditionType.READY: "True",
    ConditionType.PROGRESSING: "False",
    ConditionType.DEGRADED: "False",
    ConditionType.SCALING_LIMITED: "False",
}
"""The status of each condition in a system without trouble."""

HEADER: Final = ("SERVICE", "STATE", "HEALTH", "READY", "SCALING", "AGE")
SCALING_COLUMN: Final = HEADER.index("SCALING")
SEPARATOR: Final = "  "
CONDITION_LINES: Final = 2
"""Of a condition's message: the tree below has it all."""
ARROWS: Final = {ScalingAction.UP: "↑ ", ScalingAction.DOWN: "↓ ", ScalingAction.HOLD: ""}
LIMITS: Final = (ScalingReason.AT_MAXIMUM, ScalingReason.OWNED_BY_OTHERS)
"""Reasons that call for a person."""


def render(system: System, now: datetime, width: int) -> list[Text]:
    """The whole page, line by line. Only a tree that is wider by itself goes beyond `width`."""
    return [
        _title(system, now),
        *(Text(line, BUSY) for remark in remarks(system) for line in wrapped(remark, width)),
        *_conditions(system, now, width),
        *_gateway(system, now, width),
        Text(),
        *_services(system, now, width),
    ]


def as_json(system: System) -> dict[str, Any]:
    """The same for programs: status as the operator wrote it, with what it is about."""
    metadata = system.raw["metadata"]
    return {
        "name": system.name,
        "namespace": system.namespace,
        "createdAt": metadata["creationTimestamp"],
        "generation": system.generation,
        "observedGeneration": system.status.observed_generation,
        "paused": system.paused,
        "conditions": [condition.to_wire() for condition in system.status.conditions],
        "gateway": system.status.gateway.to_wire() if system.status.gateway else None,
        "services": [_service_json(service) for service in system.services],
    }


def remarks(system: System) -> Iterator[str]:
    """What holds for the whole page."""
    seen = system.status.observed_generation
    if seen is None:
        yield "The operator has not seen this RAGDeployment yet: does it run, and watch this namespace?"
    elif not system.followed:
        yield (
            f"The operator has not acted on the last change yet (generation {system.generation}, it has seen "
            f"{seen}): does it run?"
        )
    if system.paused:
        yield "spec.paused is true: nothing is changed."
    if system.spec is None:
        yield "The spec cannot be read by this version: dependencies are not shown."


def is_ill(health: HealthStatus) -> bool:
    """It is told why. A start that has failed tells that itself."""
    bad = health.state in (HealthState.DEGRADED, HealthState.UNHEALTHY)
    return bad and health.reason != HealthReason.START_FAILED


def _title(system: System, now: datetime) -> Text:
    summary = system.status.summary
    title = Text(system.name, "bold").append(f"  namespace {system.namespace}", "not bold")
    if system.status.services:
        title.append(f", {summary.services} services ready, health ", "not bold")
        title.append(summary.health, f"not bold {STYLES[summary.health]}")
    return title.append(f", age {since(system.created, now)}", "not bold")


def _conditions(system: System, now: datetime, width: int) -> Iterator[Text]:
    for condition in system.status.conditions:
        head = f"  {condition.type:<14}  "
        age = f"  {since(condition.last_transition_time, now):>5}  "
        indent = " " * (len(head) + 7 + len(age))
        text = told(condition.reason, condition.message)
        first, *more = wrapped(text, width - len(indent), max_lines=CONDITION_LINES)
        fine = condition.status == WANTED[condition.type]
        line = Text(head).append(f"{condition.status:<7}", DIM if fine else BUSY).append(age, DIM)
        yield line.append(first)
        yield from (Text(indent + text) for text in more)


def _gateway(system: System, now: datetime, width: int) -> Iterator[Text]:
    gateway = system.status.gateway
    if gateway is None:
        return
    text = f"{gateway.state} for {since(gateway.since, now)}, "
    text += f"{gateway.ready_replicas} of {gateway.replicas} pods ready"
    if why := told(gateway.reason, gateway.message):
        text += f": {why}"
    if gateway.fallback:
        text += f"; by LeastConnections for want of usage: {', '.join(gateway.fallback)}"
    if gateway.panic:
        text += f"; no good pod, so all are used: {', '.join(gateway.panic)}"
    fine = gateway.state is GatewayState.SERVING and not (gateway.fallback or gateway.panic)
    for line in wrapped(f"Gateway: {text}", width - 2):
        yield Text(f"  {line}", DIM if fine else BUSY)


def _services(system: System, now: datetime, width: int) -> Iterator[Text]:
    nodes = _nodes(system)
    views = {service.name: service for service in system.services}
    rows = [(node, () if node.repeated else _cells(views[node.name], now)) for node in nodes]
    names = max((len(node.guide + node.name) for node, cells in rows if cells), default=0)
    columns = [*zip(*(cells for _, cells in rows if cells), strict=True)]
    widths = [max(map(len, (title, *column))) for title, column in zip(HEADER[1:], columns, strict=True)]
    full = max(names, len(HEADER[0])) + sum(widths) + len(SEPARATOR) * len(widths)
    narrow = full > width
    shown = [i for i in range(len(widths)) if not (narrow and i == SCALING_COLUMN - 1)]
    widths = [max(names, len(HEADER[0])), *(widths[i] for i in shown)]

    yield _row((HEADER[0], *(HEADER[i + 1] for i in shown)), widths, DIM)
    for node, cells in rows:
        if not cells:
            yield Text(node.guide, DIM).append(f"{node.name} (above)", DIM)
            continue
        name = Text(node.guide, DIM).append(node.name, "not dim")
        yield _row((name, *(cells[i] for i in shown)), widths)
        for note, style in _notes(views[node.name], now, narrow):
            for line in wrapped(note, width, node.below):
                yield Text(line[: len(node.below)], DIM).append(line[len(node.below) :], f"not dim {style}")


def _nodes(system: System) -> tuple[Node, ...]:
    """The tree, then the services of which only status knows."""
    nodes = tree(system.spec.services) if system.spec else ()
    drawn = {node.name for node in nodes}
    return (*nodes, *(Node(s.name) for s in system.services if s.name not in drawn))


def _cells(service: ServiceView, now: datetime) -> tuple[str, ...]:
    """What stands in the columns after the name."""
    status = service.status
    if status is None:
        return ("-", "-", "-", "-", "-")
    scaling = status.scaling
    return (
        status.state,
        status.health.state,
        f"{status.ready_replicas}/{service.wanted}",
        f"{ARROWS[scaling.action]}{scaling.reason}" if scaling else "-",
        since(status.startup.started_at, now),
    )


def _row(cells: Sequence[str | Text], widths: Sequence[int], style: str = "") -> Text:
    line = Text(style=style)
    for cell, width in zip(cells, widths, strict=True):
        text = cell.copy() if isinstance(cell, Text) else Text(cell, STYLES.get(cell, ""))
        text.pad_right(width - len(text) + len(SEPARATOR))
        line.append_text(text)
    line.rstrip()
    return line


def _notes(service: ServiceView, now: datetime, narrow: bool) -> Iterator[tuple[str, str]]:
    """What the row cannot say, with a style. `narrow`: there was no room for the scaling."""
    status = service.status
    if status is None:
        yield "not seen by the operator yet", BUSY
        return
    yield from _startup_notes(status)
    health = status.health
    if is_ill(health):
        why = health.details or (f"{health.caused_by} is the cause" if health.caused_by else "")
        yield f"{health.state}: {told(health.reason, why)}", STYLES[health.state]
    if scaling := status.scaling:
        if scaling.reason in LIMITS:
            yield f"{scaling.reason}: {scaling.message}", BUSY
        elif narrow:
            yield f"scaling: {ARROWS[scaling.action]}{scaling.reason}", DIM
    if rollout := status.rollout:
        age = f", since {since(rollout.since, now)}" if rollout.since else ""
        yield f"rollout: {place(service)}{age}", BUSY
        if rollout.reason:
            yield told(rollout.reason, rollout.message), BAD if is_troubled(rollout) else BUSY


def _startup_notes(status: ServiceStatus) -> Iterator[tuple[str, str]]:
    startup = status.startup
    if startup.waiting_for:
        yield f"waits for {', '.join(startup.waiting_for)}", BUSY
    repeated = is_ill(status.health) and (startup.message or "") in (status.health.details or "")
    if startup.reason and not repeated:
        yield told(startup.reason, startup.message), BAD


def _service_json(service: ServiceView) -> dict[str, Any]:
    needs = service.spec.depends_on if service.spec else None
    return {
        "name": service.name,
        "type": (service.spec or service.status).type,  # type: ignore[union-attr]
        "dependsOn": None if needs is None else [need.to_wire() for need in needs],
        "wantedReplicas": service.wanted,
        **(service.status.to_wire() if service.status else {}),
    }
