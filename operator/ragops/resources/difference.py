"""Does a live object have all that its manifest says? Decides whether an apply is needed at all.

Only fields that the manifest names are compared: defaults of the API server and fields of other owners
never cause a write. A field that was dropped from the manifest shows in the hash annotation.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ragops.resources.quantity import parse_quantity

_QUANTITY_FIELDS: Final = ("requests", "limits", "sizeLimit")
_MERGE_KEYS: Final = ("name", "mountPath", "containerPort", "uid", "topologyKey")


def differs(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> bool:
    """Whether any field of `wanted` is missing from `live` or has another value there."""
    return not _covers(wanted, live)


def _covers(wanted: Any, live: Any, quantities: bool = False) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            # The API server rewrites quantities in their shortest form.
            key in live
            and _covers(value, live[key], quantities or key in ("requests", "limits", "sizeLimit"))
            for key, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return isinstance(live, Sequence) and _covers_list(wanted, live, quantities)
    if quantities and isinstance(wanted, str) and isinstance(live, str):
        return parse_quantity(wanted) == parse_quantity(live)
    return bool(wanted == live)


def _covers_list(wanted: Sequence[Any], live: Sequence[Any], quantities: bool) -> bool:
    """Lists with a merge key may have foreign entries (injected sidecars); others are compared whole."""
    key = next(
        (k for k in _MERGE_KEYS if wanted and all(isinstance(w, Mapping) and k in w for w in wanted)), None
    )
    if key is None:
        return len(wanted) == len(live) and all(
            _covers(w, x, quantities) for w, x in zip(wanted, live, strict=True)
        )
    by_key = {entry[key]: entry for entry in live if isinstance(entry, Mapping) and key in entry}
    return all(entry[key] in by_key and _covers(entry, by_key[entry[key]], quantities) for entry in wanted)
