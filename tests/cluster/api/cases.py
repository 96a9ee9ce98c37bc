"""The cases of invalid.yaml and valid.yaml."""

import copy
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

Object = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One object, and what is to come of it."""

    name: str
    raw: Object
    stored: Object | None
    """What is in the cluster before; None where the object is new."""
    wanted: Object
    """The rest of the case as it stands in the file."""


def cases(file: str) -> list[Case]:
    """All cases of a file beside this one."""
    return [_case(entry) for entry in yaml.safe_load((HERE / file).read_text())]


def _case(entry: Object) -> Case:
    changes = entry.get("refusedBy") == "change" or "stored" in entry
    return Case(
        name=entry["name"],
        raw=_changed(entry),
        stored=_changed(entry.get("stored", {})) if changes else None,
        wanted=entry,
    )


def _changed(change: Object) -> Object:
    """examples/quickstart.yaml with a change."""
    raw: Object = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())
    raw["metadata"]["name"] = f"case-{uuid.uuid4().hex[:6]}"
    services = {service["name"]: service for service in raw["spec"]["services"]}
    new = {name: {"name": name} for name in change.get("services", {}) if name not in services}
    services = _merged(services | new, change.get("services", {}))
    raw["spec"]["services"] = [*services.values(), *change.get("append", [])]
    return _merged(raw, {key: change[key] for key in ("metadata", "spec") if key in change})


def _merged(target: Object, patch: Object) -> Object:
    """RFC 7396: null removes."""
    result = copy.deepcopy(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = _merged(result[key], value) if both else copy.deepcopy(value)
    return result
