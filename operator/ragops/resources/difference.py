"""Does a live object have all that its manifest says? Decides whether an apply is needed at all.

Only fields that the manifest names are compared: defaults of the API server and fields of other owners
never cause a write. A field that was dropped from the manifest shows in the hash annotation.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ragops.resources.quantity import parse_quantity

Path = tuple[str | int, ...]

# The API server rewrites quantities in their shortest form.
_QUANTITIES: Final = ("requests", "limits", "sizeLimit")
# Their meaning changes with every label that is added: compared as a whole, and applied as a whole.
_SELECTORS: Final = ("selector", "labelSelector")
_MERGE_KEYS: Final = ("mountPath", "containerPort", "port", "uid", "topologyKey", "name")
# Each holds one choice of several (a handler), or entries that must not share a name.
_EXCLUSIVE: Final = ("readinessProbe", "startupProbe", "livenessProbe", "ports")
# The API server leaves these out where they are false or zero; of others the default may be something else.
_LEFT_OUT: Final = (
    "paused",
    "minReadySeconds",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "publishNotReadyAddresses",
)
# Each entry holds one choice of several: a value or its source, one kind of volume.
_EXCLUSIVE_ENTRIES: Final = ("env", "volumes")


def differs(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether any field of `wanted` is missing from `live` or has another value there."""
    return not _covers(wanted, live)


def repairs(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> dict[Path, Any]:
    """What must replace which parts of `live` where fields of others may exclude fields of `wanted`: another
    kind of probe, another port of the same name. An apply adds to those, and the API server refuses that.
    """
    return dict(_repairs(wanted, live, ()))


def _covers(wanted: Any, live: Any, quantities: bool = False) -> bool:
    if isinstance(wanted, dict):  # not Mapping, of which to tell takes most of a pass
        return isinstance(live, dict) and all(
            _covers_field(key, value, live, quantities) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(live, list) and _covers_list(wanted, live, quantities)
    if quantities and isinstance(wanted, str) and isinstance(live, str):
        return parse_quantity(wanted) == parse_quantity(live)
    return bool(wanted == live)


def _covers_field(key: str, value: Any, live: Mapping[str, Any], quantities: bool) -> bool:
    if key not in live:
        # The API server leaves out what is empty.
        return value is None or value in ("", [], {}) or (key in _LEFT_OUT and not value)
    if key in _SELECTORS:
        return bool(value == live[key])
    return _covers(value, live[key], quantities or key in _QUANTITIES)


def _covers_list(wanted: Sequence[Any], live: Sequence[Any], quantities: bool) -> bool:
    """Lists with a merge key may have foreign entries (injected sidecars); others are compared whole."""
    key = _merge_key(wanted)
    if key is None:
        return len(wanted) == len(live) and all(
            _covers(w, x, quantities) for w, x in zip(wanted, live, strict=True)
        )
    return all(any(_covers(entry, x, quantities) for x in live) for entry in wanted)


def _merge_key(wanted: Sequence[Any]) -> str | None:
    """What tells the entries of a list apart; None for a list that is replaced as a whole."""
    maps = bool(wanted) and all(isinstance(entry, dict) for entry in wanted)
    return next((key for key in _MERGE_KEYS if maps and all(key in entry for entry in wanted)), None)


def _repairs(wanted: Any, live: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key in wanted.keys() & live.keys():
            if key not in _EXCLUSIVE:
                yield from _repairs(wanted[key], live[key], (*path, key))
            elif not _covers(wanted[key], live[key]):
                yield (*path, key), wanted[key]
    elif isinstance(wanted, Sequence) and (merge_key := _merge_key(wanted)):
        by_key = {entry[merge_key]: entry for entry in wanted}
        for index, entry in enumerate(live):
            ours = by_key.get(entry.get(merge_key))
            if ours is None:
                continue
            if path[-1] not in _EXCLUSIVE_ENTRIES:
                yield from _repairs(ours, entry, (*path, index))
            elif not _covers(ours, entry):
                yield (*path, index), ours
