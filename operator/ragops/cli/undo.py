"""`kubectl rag rollout undo`: the version fields of one service as they were, and nothing else."""

import json
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from ragops.api.names import ROLLOUT_COMMAND_PREFIX
from ragops.api.service import ServiceSpec
from ragops.api.status import VersionStatus
from ragops.api.validation import InvalidRAG, parse, problems
from ragops.cli.failure import Failure
from ragops.cli.rollout import is_repair, revision
from ragops.cli.system import Object, ServiceView, System
from ragops.orchestration.versions import at_version, version_of
from ragops.resources.pod import all_of

Path = tuple[str, ...]

_ABSENT: Final = object()


@dataclass(frozen=True)
class Undo:
    """A way back."""

    patch: dict[str, Any]
    """Merge patch: spec.services as it is to be. What was asked of the rollout is taken away with it."""
    revision: str
    """The version to go back to."""
    changes: tuple[str, ...]
    """What changes in the service, for people."""


def undo(system: System, name: str) -> Undo:
    """The way back of a service: to the stable version while a rollout is under way or aborted, else to the
    one before. Raises Failure where there is none."""
    service = system.service(name)
    if system.spec is None or service.spec is None:
        raise Failure(f"the spec of {system.name} is not accepted; correct and apply it instead")
    if not system.followed:
        raise Failure(
            f"the operator has not acted on the last change of {system.name} yet, so there is no telling "
            "which version to go back to; try again in a moment"
        )
    current, target = _versions(service)
    old = at_version(service.spec, target)
    if old is None:
        raise Failure(
            f"version {revision(target.revision)} of {name} is not known to this version of the command; use "
            "the one that belongs to the operator"
        )
    if _image_is_default(service.spec, current, target):
        old = old.model_copy(update={"image": None})
    before, after = service.spec.to_wire(), old.to_wire()
    changes = {field: tuple(_changes(before, after, field)) for field in _fields(before, after)}
    differing = [field for field, texts in changes.items() if texts]
    if not differing:
        raise Failure(f"the spec of {name} is that of version {revision(target.revision)} already")
    back = _with(system.raw, name, after, differing)
    _check(back, name, target)
    told = tuple(text for texts in changes.values() for text in texts)
    patch: dict[str, Any] = {"spec": {"services": back["spec"]["services"]}}
    if (command := ROLLOUT_COMMAND_PREFIX + name) in system.annotations:
        patch["metadata"] = {"annotations": {command: None}}
    return Undo(patch, target.revision, told)


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Path]:
    """What is changed as a whole: the fields of a service, and those of its health one by one."""
    names = dict.fromkeys([*before, *after])
    health = dict.fromkeys([*before["health"], *after["health"]])
    return [*((name,) for name in names if name != "health"), *(("health", name) for name in health)]


def _versions(service: ServiceView) -> tuple[str, VersionStatus]:
    """The revision that the spec asks for, and the version to go back to. Raises Failure without one."""
    status = service.status
    if status is None or status.stable is None:
        raise Failure(f"{service.name} cannot go back: no version was rolled out in full yet")
    if status.rollout is not None and not is_repair(status):
        return status.rollout.revision, status.stable
    if status.previous is None:
        raise Failure(f"{service.name} cannot go back: there is no version before this one")
    return status.stable.revision, status.previous


def _image_is_default(spec: ServiceSpec, current: str, target: VersionStatus) -> bool:
    """The spec leaves the image to the operator, and that is the one to go back to: it stays so, and is not
    fixed to what it happens to be now."""
    image = target.spec.get("image")
    if spec.image is not None or not isinstance(image, str):
        return False
    return version_of(spec, all_of(image)).revision == current


def _with(raw: Object, name: str, version: Mapping[str, Any], fields: Iterable[Path]) -> dict[str, Any]:
    """The object with these fields of a service as in a version; those that it does not have are removed."""
    changed = deepcopy(dict(raw))
    service = next(s for s in changed["spec"]["services"] if s["name"] == name)
    for *parents, last in fields:
        value, holder = _at(version, (*parents, last)), service
        for parent in parents:
            holder = holder.setdefault(parent, {})
        if value is _ABSENT:
            holder.pop(last, None)
        else:
            holder[last] = value
    return changed


def _check(raw: Mapping[str, Any], name: str, target: VersionStatus) -> None:
    """Raises Failure where the object as it would be is not allowed any more."""
    try:
        faults = problems(parse(raw))
    except InvalidRAG as error:
        faults = list(error.problems)
    if faults:
        told = "; ".join(map(str, faults))
        raise Failure(f"version {revision(target.revision)} of {name} is not allowed any more: {told}")


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value.get(step, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    return value


def _changes(now: Any, then: Any, field: Path) -> Iterator[str]:
    """Each value that differs: image: a:2 -> a:1."""
    before, after = (dict(_leaves(_at(version, field), ".".join(field))) for version in (now, then))
    for path in dict.fromkeys([*before, *after]):
        old, new = before.get(path, "none"), after.get(path, "none")
        if old != new:
            yield f"{path}: {old} -> {new}"


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The plain values inside, by their path; list items by their name."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            named = isinstance(item, Mapping) and "name" in item
            inner = {key: item[key] for key in item if key != "name"} if named else item
            yield from _leaves(inner, f"{path}[{item['name'] if named else index}]")
    elif value is not _ABSENT:
        yield path, value if isinstance(value, str) else json.dumps(value)
