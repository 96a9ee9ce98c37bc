"""Kubernetes quantities. The official client has a parser too, but importing it loads the whole client."""

import re
from decimal import Decimal
from typing import Final

_SUFFIX: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_FORM: Final = re.compile(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]{0,2})")


def parse_quantity(text: str) -> Decimal:
    """The value of a Kubernetes quantity, such as 250m, 1.5, 3e2 or 2Gi. Raises ValueError for anything else.

    Source: Kubernetes API reference, resource.Quantity.
    """
    match = _FORM.fullmatch(text)
    if match is None or match[2] not in _SUFFIX:
        raise ValueError(
            f"{text!r} is not a Kubernetes quantity: use a number with a unit, such as 250m or 2Gi"
        )
    try:
        return Decimal(match[1]) * _SUFFIX[match[2]]
    except ArithmeticError as error:
        raise ValueError(f"{text!r} is not a Kubernetes quantity: the number cannot be read") from error
