"""The policies that can be compared, by name."""

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final

from ragops.api.autoscaling import ScalingMode
from ragops.scaling.simulation import oracle
from ragops.scaling.simulation.fixed import Fixed
from ragops.scaling.simulation.hpa import HPA, KEDA
from ragops.scaling.simulation.kpa import KPA
from ragops.scaling.simulation.model import Policy
from ragops.scaling.simulation.ours import Ours, spec_of
from ragops.scaling.simulation.parameters import Parameters
from ragops.scaling.simulation.trace import Trace

OURS: Final = {
    str(mode).lower(): mode for mode in (ScalingMode.PREDICTIVE, ScalingMode.PROPORTIONAL, ScalingMode.STEP)
}
OTHERS: Final[dict[str, Callable[[Trace, Parameters], Policy]]] = {
    "hpa": lambda _, parameters: HPA(parameters),
    "kpa": lambda _, parameters: KPA(parameters),
    "keda": lambda _, parameters: KEDA(parameters),
    "fixed": lambda trace, parameters: Fixed(int(oracle.needed(trace, parameters).max())),
    "oracle": oracle.Oracle,
}
NAMES: Final = (*OURS, *OTHERS)


def checked(name: str) -> str:
    """The name in lower case. Raises ValueError unless it is one of NAMES or such as `fixed:12`."""
    plain = name.strip().lower()
    kind, colon, number = plain.partition(":")
    if plain in NAMES or (kind == "fixed" and colon and number.isdecimal()):
        return plain
    close = difflib.get_close_matches(kind, NAMES, n=1)
    mend = f"did you mean {close[0]}?" if close else f"use {', '.join(NAMES)}, or fixed:12"
    raise ValueError(f"policy {name.strip()!r} is not known; {mend}")


def build(
    name: str, trace: Trace, parameters: Parameters, fields: Mapping[str, Any], memory: float | None = None
) -> Policy:
    """A new policy for one run, by its checked name.

    For our own policies: `fields` are those of the `autoscaling` block apart from mode, bounds and
    sampleSeconds, `memory` is as in Ours. Raises InvalidRAG if they cannot be used.
    """
    kind, _, number = name.partition(":")
    if number:
        return Fixed(int(number))
    if kind in OTHERS:
        return OTHERS[kind](trace, parameters)
    block = {
        **fields,
        "mode": OURS[kind],
        "minReplicas": parameters.min_replicas,
        "maxReplicas": parameters.max_replicas,
        "sampleSeconds": parameters.sample_seconds,
    }
    return Ours(spec_of(block), memory)
